"""Commands about data: is it fit to train on, and stores of its clips and of transcripts' features."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib.cli.shared import AsJson, ConfigFile, Overrides, app, as_json, left_out, near, resolved
from whalelib.experiment.keeping import read_json


@app.command()
def doctor(
    source: Annotated[str, typer.Argument(help="the kind of data set; `whalelib sources` lists them")],
    path: Annotated[str, typer.Argument(help="its folder, or its s3:// or gs:// uri")] = "",
    overrides: Overrides = None,
    config: ConfigFile = None,
    rows: Annotated[int, typer.Option(min=0, help="shown of each finding; --json has up to 200 of them")] = 3,
    json: AsJson = False,
) -> None:
    """Is this data fit to train on? Exit status 1 if not. Example: whalelib doctor raven ~/sea label_column=Species"""
    from whalelib import stages

    chosen = resolved(overrides, config, source=source, **({"data_path": path} if path else {}))
    findings = stages.examine(chosen, stages.survey(chosen))
    if json:
        as_json([{**dataclasses.asdict(found), "rows": found.rows.to_dict("records")} for found in findings])
    else:
        from whalelib.cli.findings import told

        typer.echo(told(findings, rows))
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
    json: AsJson = False,
) -> None:
    """Make the store that the knobs describe, and say where it lies. Example: whalelib store build -c my.yaml"""
    from whalelib import stages

    chosen = resolved(overrides, config)
    built = stages.transcripts(chosen) if transcripts else stages.store(chosen, stages.split(chosen))
    _tell(built, json, left_out(built.about.get("left_out", []) + built.problems))


@store.command("check")
def store_check(folder: Annotated[Path, typer.Argument(help="the folder of a store")], json: AsJson = False) -> None:
    """Read a whole store and hold it against its checksums. Example: whalelib store check cache/clips-0123456789ab"""
    _tell(_opened(folder, full_check=True), json)


@store.command("upload")
def store_upload(
    folder: Annotated[Path, typer.Argument(help="the folder of a store")],
    uri: Annotated[str, typer.Argument(help="where to, as s3://bucket/folder, gs://... or hf://datasets/me/set")],
    json: AsJson = False,
) -> None:
    """Copy a store to a bucket or the hub. Example: whalelib store upload cache/clips-0123456789ab s3://sea/clips"""
    from whalelib import clips

    files = clips.upload(folder, uri, opened=_opened)
    if json:
        as_json({"uri": uri, "files": len(files)})
    else:
        typer.echo(f"{len(files)} files lie in {uri}.")


@store.command("fetch")
def store_fetch(
    uri: Annotated[str, typer.Argument(help="where it was uploaded to")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    json: AsJson = False,
) -> None:
    """Copy a store from there; store_path then opens it. Example: whalelib store fetch s3://sea/clips clips"""
    from whalelib import clips

    _tell(clips.fetch(uri, folder, opened=_opened, about_of=lambda part: _opened(part, about_alone=True)), json)


def _opened(folder: Path, *, full_check: bool = False, about_alone: bool = False) -> Any:
    """A store of either kind, or only what its store.json says; which kind it is stands there."""
    from whalelib import clips

    try:
        format_ = (read_json(folder / "store.json") or {})["format"]
    except (KeyError, TypeError):
        format_ = None  # the clip store says what is wrong
    if str(format_).startswith("transcripts"):
        from whalelib import transcribe

        if about_alone:
            return transcribe.read_about(folder)
        return transcribe.open_transcripts(folder, full_check=full_check)
    return clips.store.read_about(folder) if about_alone else clips.open_store(folder, full_check=full_check)


def _tell(opened: Any, json: bool, lacking: Sequence[str] = ()) -> None:
    """Where a store lies and what is in it."""
    about = opened.about
    if json:
        as_json({"folder": str(opened.folder), "about": about, "left_out": lacking})
        return
    counted = about["clips"] if "clips" in about else about["windows"]
    counts = ", ".join(f"{count:,} {fold}" for fold, count in counted.items())
    if "clips" in about:
        typer.echo(f"{near(opened.folder)}: {counts} clips of {opened.clip_seconds:g} s at {opened.sample_rate} Hz")
        typer.echo(f"classes: {', '.join(opened.classes)}; made by whalelib {about['versions']['whalelib']}")
    else:
        typer.echo(f"{near(opened.folder)}: {counts} windows of {opened.hearing.window_seconds:g} s as features")
        if opened.words.kind == "calls":
            typer.echo(f"labels: {', '.join(opened.words.labels)}")
