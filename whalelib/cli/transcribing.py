"""The command that writes down what it hears."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import AsJson, app, as_json, near, trained


@app.command()
def transcribe(
    model: Annotated[str, typer.Argument(help="the folder of a run, or of a transcriber, or a name on the hub")],
    paths: Annotated[list[str], typer.Argument(help="files, folders, patterns, tables, s3:// gs:// https://")],
    out: Annotated[Path, typer.Option(help="the folder for transcripts and the receipt")],
    channel: Annotated[int, typer.Option(min=1, help="which channel is heard")] = 1,
    beams: Annotated[int, typer.Option(min=1, help="transcripts that are followed side by side")] = 1,
    overlap: Annotated[float | None, typer.Option(help="seconds that windows share; else a quarter of one")] = None,
    zone: Annotated[str, typer.Option(help="the zone of times in file names, as UTC-5")] = "UTC",
    formats: Annotated[str, typer.Option(help="of raven, raven_all, audacity, csv, parquet, noaa")] = "raven,csv",
    json: AsJson = False,
) -> None:
    """Write down the calls of recordings. Example: whalelib transcribe experiments/song/seed=0 ~/tapes --out told"""
    from whalelib import formats as written
    from whalelib import predict, stages
    from whalelib import transcribe as room

    kinds = [kind.strip() for kind in formats.split(",") if kind.strip()]
    written.check_kinds(kinds)
    found = predict.inputs(paths, zone)
    events, receipt = room.transcribe(
        stages.transcriber_of(trained(model)), found.recordings, overlap_seconds=overlap, channel=channel, beams=beams
    )
    done = set(receipt.loc[receipt["status"] == "done", "recording"])
    heard = found.recordings[found.recordings["recording"].isin(done)].reset_index(drop=True)
    out.mkdir(parents=True, exist_ok=True)
    tables = written.write_detections(out, events, heard, kinds) if len(heard) else []
    written.clear_others(out, tables)
    receipt.to_csv(out / "receipt.csv", index=False)
    hours, calls = float(receipt["analysed_seconds"].sum()) / 3600, events["label"].value_counts().to_dict()
    if json:
        totals = {"recordings": len(receipt), "transcribed": len(heard), "analysed_hours": hours, "calls": calls}
        as_json({"folder": str(out), **totals, "not_looked_at": found.problems})
    else:
        said = ", ".join(f"{count:,} {name}" for name, count in calls.items()) or "no calls"
        typer.echo(f"{hours:.2f} h of {len(heard)} of {len(receipt)} recordings: {said}; in {near(out)}.")
        for row in receipt[receipt["status"] == "failed"].itertuples():
            typer.secho(f"left out: {row.reason}", err=True, fg=typer.colors.YELLOW)
    if not len(heard):
        raise typer.Exit(1)
