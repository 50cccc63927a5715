"""The command that scans recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib import config as knobs
from whalelib.cli.shared import AsJson, app, as_json, near, trained
from whalelib.errors import InputError

_MOST_REASONS = 20  # on the screen; receipt.txt has them all


@app.command()
def scan(
    model: Annotated[str, typer.Argument(help="a run's folder, a saved detector, or a repository of the hub")],
    paths: Annotated[
        list[str],
        typer.Argument(help="files, folders, patterns, tables, s3:// gs:// https://; and knobs, as min_seconds=0.5"),
    ],
    out: Annotated[Path, typer.Option(help="the folder for scores, detections and the receipt")],
    threshold: Annotated[float | None, typer.Option(help="score that opens a detection; else the run's own")] = None,
    hop: Annotated[float | None, typer.Option(help="seconds from one window to the next; else the run's own")] = None,
    channel: Annotated[str, typer.Option(help="a number from 1, each, or mean")] = "1",
    zone: Annotated[str, typer.Option(help="the zone of times in file names, as UTC-5")] = "UTC",
    minutes: Annotated[float | None, typer.Option(help="stop in good order after these")] = None,
    formats: Annotated[str, typer.Option(help="of raven, raven_all, audacity, csv, parquet, noaa")] = "raven,csv",
    json: AsJson = False,
) -> None:
    """Find calls in recordings. Example: whalelib scan experiments/demo/seed=0 ~/tapes s3://sea/2009 --out found"""
    from whalelib import predict, stages

    words, overrides = _sorted_out(paths)
    given: dict[str, Any] = knobs.parse_overrides(overrides)
    given |= {name: v for name, v in (("threshold", threshold), ("scan_hop_seconds", hop)) if v is not None}
    given.setdefault("engine", "auto")
    ear, kinds = _ear(channel), [kind.strip() for kind in formats.split(",") if kind.strip()]
    found = predict.inputs(words, zone, ear if isinstance(ear, int) else 1)
    predict.refuse_kinds(kinds, found.recordings, ear)
    listener = stages.listener(trained(model), given)
    receipt = predict.scan(
        listener.detector, found.recordings, out / "scores", **listener.how, channel=ear, minutes=minutes
    )
    decided = listener.decided
    events = predict.detections(
        out / "scores", found.recordings, receipt, decided, bands=listener.bands, **listener.steps
    )
    how = {
        "model": model, "signature": predict.signature(listener.detector), "thresholds": decided.thresholds,
        "calibrated": decided.calibration is not None, **listener.how, **listener.steps,
    }  # fmt: skip
    predict.publish(
        out, found.recordings, receipt, events, list(decided.thresholds), kinds=kinds, problems=found.problems, how=how
    )
    totals = predict.totals(receipt)
    calls = {name: int((events["label"] == name).sum()) for name in decided.thresholds}
    if json:
        as_json({"folder": str(out), **totals, "detections": calls, "not_looked_at": found.problems})
    else:
        typer.echo(predict.told(receipt, found.problems, most=_MOST_REASONS))
        if totals["analysed_hours"]:
            typer.echo(
                "Detections: " + ", ".join(f"{count:,} {name}" for name, count in calls.items()) + f"; in {near(out)}."
            )
        if totals["not_reached"]:
            typer.echo(f"The time was up with {totals['skipped_hours']:.2f} h left; the same command goes on there.")
    if not totals["analysed_hours"]:
        typer.secho(f"Nothing was analysed; the reasons are in {near(out / 'receipt.csv')}.", err=True)
        raise typer.Exit(1)


def _sorted_out(words: list[str]) -> tuple[list[str], list[str]]:
    """Paths, and knobs; a file may have an equals sign in its name, too."""
    given = [
        word
        for word in words
        if "=" in word and "/" not in word and word.partition("=")[0].isidentifier() and not Path(word).exists()
    ]
    return [word for word in words if word not in given], given


def _ear(channel: str) -> Any:
    if channel in ("each", "mean"):
        return channel
    if not channel.isascii() or not channel.isdigit() or int(channel) < 1:
        raise InputError(f"the channel cannot be {channel!r}: it is a number from 1 on, each, or mean.")
    return int(channel)
