# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test lint types notebooks grid questions recipes log docs bench lab clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# A stamp a kind of set-up: pip runs again only when the requirements have changed since.
$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): the first time takes a few minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[all]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) -e '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## make .venv with the package and its extras

setup-dev: $(VENV)/.ready-dev ## the same with the test tools

demo: setup ## the whole path on the synthetic ocean, in minutes
	$(BIN)/whalelib demo

# A worker a core; each computes with one thread, or they would stand in each other's way.
test: setup-dev ## the default test run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(JOBS),2) --dist worksteal

lint: setup-dev ## ruff over code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev ## mypy over whalelib/
	$(BIN)/mypy

notebooks: setup ## execute notebooks 01 to 05 with the knobs of CONFIG
	$(BIN)/whalelib run all -c $(or $(CONFIG),experiments/smoke.yaml)

grid: setup ## run the experiment FILE, by default the padding one
	$(BIN)/whalelib grid $(or $(FILE),experiments/padding.yaml)

# Each in its turn, as often as you like: what is done is skipped. Needs real recordings in WHALELIB_DATA.
QUESTIONS := padding_calls clip_length mel_resolution cepstra pcen architectures heads batch_and_rate weight_decay \
	augmentations losses samplers poolings leakage fine_tuning front_end_place watkins

questions: setup ## run every question on the real clips, in hours, and rebuild the log
	for name in $(QUESTIONS); do $(BIN)/whalelib grid experiments/$$name.yaml || exit 1; done
	$(BIN)/whalelib log

recipes: setup ## run the four recipes on their miniatures, in minutes
	for name in dclde2013 rfcx birdclef2023 birdclef2024; do $(BIN)/whalelib grid experiments/$$name.yaml || exit 1; done

log: setup ## rebuild EXPERIMENT_LOG.md from the results
	$(BIN)/whalelib log

docs: setup-dev ## build the documentation as a site, its reference from the code
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "It begins at build/site/index.html."

bench: setup-dev ## print speeds and memory, measured side by side
	$(BIN)/python -m whalelib.bench

lab: setup ## open the notebooks in JupyterLab
	$(BIN)/whalelib lab

clean: ## remove what runs have cached (not the results)
	rm -rf cache build dist
