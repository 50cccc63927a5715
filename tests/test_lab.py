"""The notebooks as they are used by hand: `whalelib lab` in a real Chromium, every cell run, sliders moved."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed here: apt-get install chromium"),
]
SMALL = {
    "ocean_days": 5, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 8, "epochs": 1, "profile_batches": 0,
    "transcriber_width": 16, "transcriber_layers": 1,
}  # fmt: skip
ROOT = Path(__file__).parents[1]
RUN_ALL = """async () => {
    const {commands, shell} = window.jupyterapp;
    await shell.currentWidget.context.ready;
    await shell.currentWidget.sessionContext.ready;
    await commands.execute('notebook:run-all-cells');
    await commands.execute('docmanager:save');
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home without notebooks of its own; its knobs are the smallest."""
    home = tmp_path_factory.mktemp("home")
    (home / "experiments").mkdir()
    return home


@pytest.fixture(scope="module")
def address(home):
    """JupyterLab as `whalelib lab` starts it from somewhere in the home; its address, token and all."""
    settings = {f"JUPYTER_{kind}_DIR": str(home / ".jupyter" / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    for name in ("WHALELIB_HOME", "WHALELIB_CACHE", "MPLBACKEND"):
        environment.pop(name, None)
    options = ["--no-browser", "--port=0", "--IdentityProvider.token=sesame", "--LabApp.expose_app_in_browser=True"]
    options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "whalelib.cli", "lab", *options]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home / "experiments", env=environment, stdout=log, stderr=log)
    try:
        yield _announced(home / ".jupyter" / "runtime", server, home / "server.log")
    finally:
        server.send_signal(signal.SIGINT)
        server.send_signal(signal.SIGTERM)  # does not ask back, and ends its kernels
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()


def _announced(folder, server, log, seconds=180):
    """The address that the server writes down once it answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        for note in folder.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # half written
                return json.loads(note.read_text())["url"] + "lab/tree/notebooks/{}?token=sesame&reset"
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def set_knobs(path, **knobs):
    """As a user does it: in the cell of parameters."""
    book = nbformat.read(path, 4)
    (cell,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in knobs.items())
    nbformat.write(book, path)


def run_all(page, address, path):
    """Open a notebook, run every cell, save it; what is on disk then."""
    page.goto(address.format(path.name))
    page.wait_for_function(f"window.jupyterapp?.shell.currentWidget?.context?.path == 'notebooks/{path.name}'")
    page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel")
    page.set_default_timeout(600_000)
    page.evaluate(RUN_ALL)
    page.set_default_timeout(60_000)
    book = nbformat.read(path, 4)
    for cell in book.cells:
        if cell.cell_type == "code":
            wrong = [out for out in cell.outputs if out.output_type == "error"]
            assert not wrong, f"{path.name}: {wrong[0].evalue}"
            assert cell.execution_count is not None, f"{path.name}: a cell was not run"
    return book


def shown(book, kind):
    """The outputs of this kind, in their order."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def photograph(page, folder, name):
    """The whole notebook, screen by screen."""
    folder.mkdir(parents=True, exist_ok=True)
    scroll = page.locator(".jp-WindowedPanel-outer").first
    height = scroll.evaluate("panel => panel.scrollHeight")
    for number, top in enumerate(range(0, int(height), 950)):
        scroll.evaluate("(panel, top) => panel.scrollTo(0, top)", top)
        page.wait_for_timeout(250)
        page.screenshot(path=folder / f"{name}_{number:02d}.png")


def move(page, knob, times, key="ArrowRight"):
    """A slider by its keys, as it stands under its name."""
    slider = page.locator(".widget-slider", has=page.get_by_text(knob, exact=True)).first
    slider.scroll_into_view_if_needed()
    slider.locator(".noUi-handle").focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.mark.lab
def test_every_notebook_runs_by_hand_after_the_other(page, address, home, tmp_path):
    """What one has made the next one finds, wherever notebooks lie; and pictures follow their sliders."""
    books = sorted((home / "notebooks").glob("0[1-7]*.ipynb"))
    for path in books:
        set_knobs(path, **SMALL)
        run_all(page, address, path)
        if path.stem == "02_features":
            move(page, "n_mels", 2)
            page.wait_for_selector("text=n_mels = 72")
        if path.stem == "05_postprocess":
            move(page, "merge_seconds", 2)
            page.wait_for_selector("text=merge_seconds = 0.35")
        photograph(page, tmp_path, path.stem)
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    assert [path.stem[:2] for path in books] == ["01", "02", "03", "04", "05", "06", "07"]
    assert {path.name.split("-")[0] for path in (home / "cache").iterdir()} >= {"ocean", "clips", "detector", "scores"}


@pytest.mark.slow
def test_the_quick_way_runs_as_it_is_opened(page, address, home, tmp_path):
    path = home / "notebooks" / "00_quickstart.ipynb"
    assert path.exists()  # the home was given its own copies
    set_knobs(path, epochs=1, width=8)
    book = run_all(page, address, path)
    assert "Python 3" in page.locator(".jp-KernelName, .jp-Toolbar-kernelName").first.inner_text()
    assert (home / "experiments" / "quickstart" / "raven").is_dir()
    assert not (home / "notebooks" / "experiments").exists() and not (home / "notebooks" / "cache").exists()
    assert any("<audio" in html for html in shown(book, "text/html"))
    move(page, "merge_seconds", 3)
    page.wait_for_selector("text=merge_seconds = 0.4")
    photograph(page, tmp_path, path.stem)
