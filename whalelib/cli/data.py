"""Commands about data: is it fit to train on, and stores of its clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whalelib.cli.shared import ConfigFile, Overrides, app, near, resolved

if TYPE_CHECKING:
    from whalelib.clips import Store


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

    chosen = resolved(overrides, config, source=source, **({"data_path": path} if path else {}))
    findings = stages.examine(chosen, stages.survey(chosen))
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

    chosen = resolved(overrides, config)
    built = stages.store(chosen, stages.split(chosen))
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
    typer.echo(f"{near(opened.folder)}: {counts} clips of {opened.clip_seconds:g} s at {opened.sample_rate} Hz")
    typer.echo(f"classes: {', '.join(opened.classes)}; made by whalelib {about['versions']['whalelib']}")
