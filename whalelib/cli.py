"""The command line: `whalelib ...`. It parses, calls the library, prints; every error a user can cause is one line."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whalelib import config as knobs
from whalelib import experiment, ledger, tracking
from whalelib.errors import InputError

if TYPE_CHECKING:
    from whalelib.clips import Store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="From hydrophone recordings and their annotations to a trusted whale-call detector.",
)

Overrides = Annotated[list[str] | None, typer.Argument(help="knobs to set, as knob=value", show_default=False)]
ConfigFile = Annotated[Path | None, typer.Option("-c", "--config", help="a YAML file of knobs to start from")]


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="all, or one of " + ", ".join(experiment.STAGES))],
    overrides: Overrides = None,
    config: ConfigFile = None,
    again: Annotated[bool, typer.Option("--again", help="run the stage even if it is done")] = False,
) -> None:
    """Execute one stage's notebook, or all five. Example: whalelib run train n_mels=32 -c experiments/base.yaml"""
    given = knobs.parse_overrides(overrides or [])
    values = _values(overrides, config)
    resolved = knobs.resolve(values, where=str(config or "the command line"))
    stages = experiment.parse_stages([stage])
    name = ",".join(f"{k}={v}" for k, v in given.items()) or "plain"
    folder = experiment.home() / "experiments" / "runs" / (config.stem if config else "base") / name.replace("/", "_")
    experiment.run_stages(resolved, stages, folder, again, around=tracking.notebook)
    for sentence in experiment.left_out(folder, stages):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)
    typer.echo(f"The executed notebooks are in {_near(folder)}.")


@app.command()
def grid(
    file: Annotated[Path, typer.Argument(help="an experiment file")],
    retry: Annotated[bool, typer.Option("--retry", help="also run again what failed")] = False,
) -> None:
    """Run every run of an experiment that is not done yet. Example: whalelib grid experiments/padding.yaml"""
    asked = experiment.load_experiment(file)
    done = experiment.run_grid(asked, retry, functools.partial(tracking.notebook, grid=asked.name))
    failed = [r for r in done if r.result and r.result["status"] == "failed"]
    if "validation_fold" in asked.grid:
        from whalelib import crossing

        crossing.judge_folds(asked)
    typer.echo(f"{len(done) - len(failed)} of {len(done)} runs are done; they are in {_near(asked.folder)}.")
    for sentence in dict.fromkeys(s for r in done for s in (r.result or {}).get("left_out", [])):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)
    if failed:
        typer.echo(f"{len(failed)} failed, the first being {failed[0].label}; --retry runs them again.", err=True)
        raise typer.Exit(1)


@app.command()
def log() -> None:
    """Rebuild EXPERIMENT_LOG.md from the results. Example: whalelib log"""
    typer.echo(f"Wrote {_near(ledger.write_log(experiment.home()))}.")


@app.command()
def demo() -> None:
    """The whole path on the synthetic ocean: five notebooks, figures, tables, a log entry. Example: whalelib demo"""
    from whalelib import demo as whole_path

    typer.echo(whole_path.run(experiment.home()))


@app.command("knobs")
def list_knobs(
    pattern: Annotated[str, typer.Argument(help="show only names that contain this")] = "",
) -> None:
    """Every knob: name, unit, default, and what it does. Example: whalelib knobs mel"""
    section = ""
    for knob in knobs.knobs():
        if pattern not in knob.name:
            continue
        if knob.section != section:
            section = knob.section
            typer.secho(f"\n{section}", bold=True)
        default = "" if knob.default is None else knob.default
        typer.echo(f"  {knob.name:18} {default!s:>12} {knob.unit:9} {knob.says}  [{knob.type}]")


@app.command()
def sources() -> None:
    """The kinds of data sets that can be read, what each needs, and where it is had. Example: whalelib sources"""
    from whalelib import sources as register

    for name, entry in register.names().items():
        typer.echo(f"{name:12} {entry.says}")
        typer.echo(f"{'':12} needs: {entry.needs}")
        typer.echo(f"{'':12} from:  {entry.origin}\n")
    typer.echo("Each folder may also be a prefix of a bucket, s3:// or gs://. More in docs/sources.md.")


@app.command()
def doctor(
    source: Annotated[str, typer.Argument(help="the kind of data set; `whalelib sources` lists them")],
    path: Annotated[str, typer.Argument(help="its folder, or its s3:// or gs:// uri")] = "",
    overrides: Overrides = None,
    config: ConfigFile = None,
) -> None:
    """Is this data fit to train on? Exit status 1 if not. Example: whalelib doctor raven ~/sea label_column=Species"""
    from whalelib import doctor as surgery
    from whalelib import stages

    values = _values(overrides, config)
    values |= {"source": source, **({"data_path": path} if path else {})}
    resolved = knobs.resolve(values, where=str(config or "the command line"))
    findings = stages.examine(resolved, stages.survey(resolved))
    typer.echo(surgery.render(findings))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


store = typer.Typer(
    no_args_is_help=True, help="Clip stores: cut once, checked, copied to a bucket or the hub, and back."
)
app.add_typer(store, name="store")


@store.command("build")
def store_build(overrides: Overrides = None, config: ConfigFile = None) -> None:
    """Cut the clips that the knobs describe, and say where they lie. Example: whalelib store build -c my.yaml"""
    from whalelib import stages

    resolved = knobs.resolve(_values(overrides, config), where=str(config or "the command line"))
    parts = stages.split(resolved)
    built = stages.store(resolved, parts)
    _tell(built)
    for sentence in dict.fromkeys(built.about["left_out"] + built.problems):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)


@store.command("check")
def store_check(folder: Annotated[Path, typer.Argument(help="the folder of a store")]) -> None:
    """Read a whole store and hold it against its checksums. Example: whalelib store check cache/clips-0123456789ab"""
    from whalelib import clips

    _tell(clips.open_store(folder, full_check=True))


@store.command("upload")
def store_upload(
    folder: Annotated[Path, typer.Argument(help="the folder of a store")],
    uri: Annotated[str, typer.Argument(help="where to, as s3://bucket/folder, gs://... or hf://datasets/me/set")],
) -> None:
    """Copy a store to a bucket or the hub. Example: whalelib store upload cache/clips-0123456789ab s3://sea/clips"""
    from whalelib import clips

    typer.echo(f"{len(clips.upload(folder, uri))} files lie in {uri}.")


@store.command("fetch")
def store_fetch(
    uri: Annotated[str, typer.Argument(help="where it was uploaded to")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
) -> None:
    """Copy a store from there; store_path then opens it. Example: whalelib store fetch s3://sea/clips clips"""
    from whalelib import clips

    _tell(clips.fetch(uri, folder))


def _tell(opened: Store) -> None:
    """Where a store lies and what is in it."""
    about = opened.about
    counts = ", ".join(f"{count:,} {fold}" for fold, count in about["clips"].items())
    typer.echo(f"{_near(opened.folder)}: {counts} clips of {opened.clip_seconds:g} s at {opened.sample_rate} Hz")
    typer.echo(f"classes: {', '.join(opened.classes)}; made by whalelib {about['versions']['whalelib']}")


@app.command()
def fit(overrides: Overrides = None, config: ConfigFile = None) -> None:
    """Train without a notebook, by several processes too. Example: torchrun --nproc-per-node 2 -m whalelib.cli fit"""
    from whalelib import stages, train

    values = {**(knobs.read_yaml(config) if config else {}), **knobs.parse_overrides(overrides or [])}
    resolved = knobs.resolve(values, where=str(config or "the command line"))
    ranks = train.processes()
    with ranks.main_process_first():
        parts = stages.split(resolved)
    fitted = stages.fit(resolved, parts, progress=False)
    if ranks.is_main_process:
        typer.echo(f"Epoch {fitted.best_epoch} is kept; `whalelib run train` with the same knobs shows it.")


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(help="the folder of a run, as in experiments/runs/base/plain")],
    licence: Annotated[str, typer.Option(help="under which it is passed on, as in cc-by-4.0")],
    to: Annotated[str, typer.Option(help="a repository of the hub, as someone/whales; else a folder in the run")] = "",
    public: Annotated[bool, typer.Option("--public", help="may everybody see the repository?")] = False,
) -> None:
    """A trained detector with its card. Example: whalelib publish experiments/demo/seed=0 --licence cc-by-4.0"""
    from whalelib import card, stages

    resolved = knobs.resolve(knobs.read_yaml(run / "config.yaml"), where=str(run / "config.yaml"))
    parts = stages.split(resolved)
    detector, facts = stages.trained(resolved, parts).detector, stages.facts(resolved, parts, run)
    if to:
        typer.echo(f"Pushed to {card.push(detector, to, facts, licence, private=not public)}.")
    else:
        typer.echo(f"The detector and its card are in {_near(card.save(detector, run / 'published', facts, licence))}.")


@app.command()
def models() -> None:
    """The networks that can be trained: size, what they expect, what they are. Example: whalelib models"""
    from whalelib import models as register

    listed = register.listing()
    name_width, expects_width = (
        max(map(len, column)) for column in ([x.name for x in listed], [x.expects for x in listed])
    )
    for name, parameters, expects, says in listed:
        size = "?" if parameters is None else f"{parameters:,}"
        typer.echo(f"{name:{name_width}} {size:>12}  {expects:{expects_width}}  {says}")
    typer.echo("Any other network of timm is a model too, as timm:NAME. Parameters are those of the default width.")


@app.command()
def augmentations() -> None:
    """What can be done to training clips, with its defaults. Example: whalelib augmentations"""
    from whalelib import augment

    for entry, says in augment.names().items():
        typer.echo(f"{entry}\n    {says}")


def _values(overrides: list[str] | None, config: Path | None) -> dict[str, Any]:
    """The knobs of a file, with those given by hand over them."""
    return {**(knobs.read_yaml(config) if config else {}), **knobs.parse_overrides(overrides or [])}


def _near(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main() -> None:
    """Entry point: what a user did wrong is one sentence on standard error and exit status 2, never a traceback."""
    try:
        app()
    except (InputError, experiment.StageFailed) as error:
        typer.secho(f"whalelib: {error}", err=True, fg=typer.colors.RED)
        sys.exit(2)


if __name__ == "__main__":
    main()
