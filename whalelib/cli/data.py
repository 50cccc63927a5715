"""Commands about data: is it fit to train on, and stores of its clips and of transcripts' features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib.cli.shared import ConfigFile, Overrides, app, near, resolved


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
    no_args_is_help=True,
    help="Stores of clips, or of transcripts' features: made once, checked, copied to a bucket or the hub, and back.",
)
app.add_typer(store, name="store")


@store.command("build")
def store_build(
    overrides: Overrides = None,
    config: ConfigFile = None,
    transcripts: Annotated[bool, typer.Option("--transcripts", help="features for notebook 07, not clips")] = False,
) -> None:
    """Make the store that the knobs describe, and say where it lies. Example: whalelib store build -c my.yaml"""
    from whalelib import stages

    chosen = resolved(overrides, config)
    built = stages.transcripts(chosen) if transcripts else stages.store(chosen, stages.split(chosen))
    _tell(built)
    for sentence in dict.fromkeys(built.about.get("left_out", []) + built.problems):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)


@store.command("check")
def store_check(folder: Annotated[Path, typer.Argument(help="the folder of a store")]) -> None:
    """Read a whole store and hold it against its checksums. Example: whalelib store check cache/clips-0123456789ab"""
    _tell(_opened(folder, full_check=True))


@store.command("upload")
def store_upload(
    folder: Annotated[Path, typer.Argument(help="the folder of a store")],
    uri: Annotated[str, typer.Argument(help="where to, as s3://bucket/folder, gs://... or hf://datasets/me/set")],
) -> None:
    """Copy a store to a bucket or the hub. Example: whalelib store upload cache/clips-0123456789ab s3://sea/clips"""
    from whalelib import clips

    typer.echo(f"{len(clips.upload(folder, uri, opened=_opened))} files lie in {uri}.")


@store.command("fetch")
def store_fetch(
    uri: Annotated[str, typer.Argument(help="where it was uploaded to")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
) -> None:
    """Copy a store from there; store_path then opens it. Example: whalelib store fetch s3://sea/clips clips"""
    from whalelib import clips

    _tell(clips.fetch(uri, folder, opened=_opened, about_of=lambda part: _opened(part, about_alone=True)))


def _opened(folder: Path, *, full_check: bool = False, about_alone: bool = False) -> Any:
    """A store of either kind, or only what its store.json says; which kind it is stands there."""
    from whalelib import clips

    try:
        format_ = json.loads((folder / "store.json").read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        format_ = None  # the clip store says what is wrong
    if str(format_).startswith("transcripts"):
        from whalelib import transcribe

        if about_alone:
            return transcribe.read_about(folder)
        return transcribe.open_transcripts(folder, full_check=full_check)
    return clips.store.read_about(folder) if about_alone else clips.open_store(folder, full_check=full_check)


def _tell(opened: Any) -> None:
    """Where a store lies and what is in it."""
    about = opened.about
    counted = about["clips"] if "clips" in about else about["windows"]
    counts = ", ".join(f"{count:,} {fold}" for fold, count in counted.items())
    if "clips" in about:
        typer.echo(f"{near(opened.folder)}: {counts} clips of {opened.clip_seconds:g} s at {opened.sample_rate} Hz")
        typer.echo(f"classes: {', '.join(opened.classes)}; made by whalelib {about['versions']['whalelib']}")
    else:
        typer.echo(f"{near(opened.folder)}: {counts} windows of {opened.hearing.window_seconds:g} s as features")
        if opened.words.kind == "calls":
            typer.echo(f"labels: {', '.join(opened.words.labels)}")
