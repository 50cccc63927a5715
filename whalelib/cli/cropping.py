"""The command that keeps of long recordings what is worth looking at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from whalelib.cli.shared import AsJson, ConfigFile, app, as_json, left_out, near, resolved
from whalelib.config import Config, section_of
from whalelib.errors import InputError


@app.command()
def crop(
    folder: Annotated[str, typer.Argument(help="a folder of recordings, or its s3:// or gs:// uri")],
    out: Annotated[Path, typer.Option("--out", help="where tables (and sound) go")],
    wav: Annotated[bool, typer.Option("--wav", help="cut the stretches into wav files of their own")] = False,
    detector: Annotated[str, typer.Option(help="the folder of a detector that chooses in place of loudness")] = "",
    knob: Annotated[list[str] | None, typer.Option("--knob", help="a knob to set, as activity_db=8")] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """The stretches of recordings in which something stands out. Example: whalelib crop ~/sea --out kept --wav

    `stretches.csv` has them, `kept.csv` how much of each recording they are. A recording that could not be heard has no
    stretch, and its reason is said: that nothing was heard in it does not mean that it is empty.
    """
    from whalelib import activity, stages
    from whalelib.sources.folder import Listing

    chosen = resolved(knob, config)
    listing = Listing(folder, "recordings")
    recordings = listing.recordings()
    lacking = left_out(listing.problems)
    if recordings.empty:
        raise InputError(f"{folder} holds no recording that can be read: check the folder.")
    out.mkdir(parents=True, exist_ok=True)
    if detector:
        stretches, kept = _by_detector(chosen, detector, recordings, out)
    else:
        low, high = stages.band(chosen)
        stretches, kept = activity.active(
            recordings,
            sample_rate=chosen.sample_rate,
            band_low_hz=low,
            band_high_hz=high,
            **section_of(chosen, "activity", without=("activity_score",)),
        )
    if wav:
        stretches = activity.crop(stretches, recordings, out / "audio")
    stretches.to_csv(out / "stretches.csv", index=False)
    kept.to_csv(out / "kept.csv", index=False)
    reasons = pd.concat([kept["reason"], stretches["reason"]]) if wav else kept["reason"]
    lacking += left_out(reasons[reasons != ""])
    heard = kept[kept["reason"] == ""]
    of, held = heard["seconds"].sum() / 3600, heard["kept_seconds"].sum() / 3600
    if json:
        as_json({"folder": str(out), "hours": of, "kept_hours": held, "stretches": len(stretches), "left_out": lacking})
        return
    typer.echo(f"{held:.2f} of {of:.2f} hours are kept, in {len(stretches)} stretches; the tables are in {near(out)}.")


def _by_detector(chosen: Config, folder: str, recordings: pd.DataFrame, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a detector's scores make worth looking at. Scores are kept, so that another bar needs no other scan."""
    from whalelib import activity, predict, stages

    receipt = predict.scan(stages.detector_of(folder), recordings, out / "scores", **stages.scanning(chosen))
    reasons = receipt.groupby("recording")["reason"].first()
    analysed = receipt.loc[receipt["analysed_seconds"] > 0, "recording"].unique().tolist()
    if not analysed:
        raise InputError(f"nothing could be analysed: {reasons.iloc[0]}")
    scores = predict.read_scores(out / "scores", analysed)
    bar = {"activity_score": chosen.activity_score, "margin_seconds": chosen.margin_seconds}
    stretches, kept = activity.heard_by(scores, recordings, **bar)
    unheard = ~kept["recording"].isin(analysed)  # why not, the scan knows better
    return stretches, kept.assign(reason=kept["reason"].mask(unheard, kept["recording"].map(reasons)))
