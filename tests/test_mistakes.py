"""Where false alarms come from: rates by circumstance, unlabelled stretches, likenesses, and the worst of them."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from whalelib import metrics, mistakes, synth, tables
from whalelib.mistakes.circumstances import NONE
from whalelib.models import build

RATE = 1000


def recordings_of(folder=None, seconds=600.0, **starts):
    """A recording a name, each with its start."""
    rows = [
        {"recording": name, "path": str(folder / f"{name}.wav") if folder else f"{name}.wav", "start": start,
         "seconds": seconds, "sample_rate": RATE, "channels": 1, "group": f"day of {name}"}
        for name, start in starts.items()
    ]  # fmt: skip
    return tables.check_recordings(pd.DataFrame(rows))


def events_of(*rows):
    names = ("recording", "label", "onset", "offset", "truth", "score")
    full = [(*row, *("present", np.nan)[len(row) - 4 :]) for row in rows]
    return tables.events([dict(zip(names, row, strict=True)) for row in full])


def cells(recording="r", seconds=600, **columns):
    onset = np.arange(seconds, dtype=float)
    given = {name: np.broadcast_to(np.asarray(value, dtype=float), seconds) for name, value in columns.items()}
    frame = pd.DataFrame({"recording": recording, "onset": onset, "offset": onset + 1, **given})
    return tables.check_scores(frame, list(columns))


NOISE = pd.DataFrame({"recording": "r", "onset": [100.0, 150.0, 400.0], "offset": [200.0, 220.0, 401.0],
                      "label": ["ship", "ship", "knock"]})  # fmt: skip


@pytest.fixture
def judged():
    """Four false alarms: two under the ship, one at the knock, one elsewhere; a hit and an open one do not count."""
    at = [(110, 112, 0.9), (190, 192, 0.6), (401.2, 402.2, 0.8), (500, 502, 0.7), (300, 302, 0.95), (250, 252, 0.99)]
    found = events_of(*[("r", "a", onset, offset, "present", score) for onset, offset, score in at])
    truth = events_of(("r", "a", 300, 302), ("r", "a", 249, 253, "possible"))
    return metrics.judge(truth, found), truth


def test_false_alarms_are_counted_under_what_was_heard(judged):
    judged, truth = judged
    recordings = recordings_of(r=pd.Timestamp("2009-03-28T00:55:00Z"))
    table = mistakes.false_rates(
        judged, cells(a=0.1), truth, recordings, ["a"], exhaustive=True, noise=NOISE
    ).set_index(["by", "value"])  # fmt: skip
    known = (600 - 4) / 3600  # but for the possible call
    day = table.loc[("group", "day of r")]
    assert day[["hours", "false", "per_hour"]].tolist() == pytest.approx([known, 4, 4 / known])
    ship = (122 - 0) / 3600  # 99 to 221 s, the overlap of the two passes once
    assert table.loc[("noise", "ship"), ["hours", "false"]].tolist() == pytest.approx([ship, 2], rel=0.02)
    assert table.loc[("noise", "knock"), "false"] == 1  # within a second of it
    assert table.loc[("noise", NONE), "false"] == 1
    assert table.loc["hour", "false"].to_dict() == {"00 h UTC": 2, "01 h UTC": 2}
    assert (table["per_hour_low"] <= table["per_hour"]).all() and (table["per_hour"] <= table["per_hour_high"]).all()
    assert table.loc["noise", "hours"].drop(NONE).sum() + table.loc[("noise", NONE), "hours"] == pytest.approx(known)


def test_loudness_is_cut_into_equally_long_parts(judged):
    judged, truth = judged
    level = np.linspace(-60, -20, 600)
    levels = pd.DataFrame(
        {"recording": "r", "onset": np.arange(600.0), "offset": np.arange(600.0) + 1, "level_db": level}
    )
    table = mistakes.false_rates(
        judged, cells(a=0.1), truth, recordings_of(r=pd.NaT), ["a"], exhaustive=True, levels=levels
    )
    loud = table[table["by"] == "loudness"].set_index("value")
    steps = ["below -50 dB", "-50 to -40 dB", "-40 to -30 dB", "above -30 dB"]
    assert loud.loc[steps, "false"].tolist() == [1, 1, 1, 1]
    assert loud["hours"].to_numpy() == pytest.approx(150 / 3600, rel=0.05)
    assert "hour" not in set(table["by"])  # nobody knows when it was recorded


def test_only_known_hours_count_and_no_false_alarm_leaves_a_bound(judged):
    _, truth = judged
    nothing = metrics.judge(truth, events_of())
    absent = pd.concat([truth, events_of(("r", "a", 0, 60, "absent"))], ignore_index=True)
    table = mistakes.false_rates(nothing, cells(a=0.1), absent, recordings_of(r=pd.NaT), ["a"], exhaustive=False)
    (row,) = table.itertuples()
    assert row.hours == pytest.approx(62 / 3600) and row.false == row.per_hour == row.per_hour_low == 0
    assert row.per_hour_high == pytest.approx(-np.log(0.025) / row.hours)  # the exact bound of a count of none


def test_without_any_noise_known_there_is_no_row_of_it(judged):
    judged, truth = judged
    empty = tables.empty(tables.NOISE)
    table = mistakes.false_rates(
        judged, cells(a=0.1), truth, recordings_of(r=pd.NaT), ["a"], exhaustive=True, noise=empty
    )
    assert set(table["by"]) == {"group"}


# ---------------------------------------------------------------- what is not labelled


def test_cells_are_told_apart_by_what_is_known_of_them():
    truth = events_of(("r", "a", 0, 2), ("r", "a", 3, 5, "possible"), ("r", "a", 6, 8, "absent"))
    scores = cells(seconds=10, a=[0.9, 0.9, 0.1, 0.6, 0.6, 0.1, 0.1, np.nan, 0.8, 0.8])
    known = mistakes.kinds(scores, truth, ["a"], exhaustive=False)[:, 0].tolist()
    assert known == ["call"] * 2 + ["no label"] + ["possible call"] * 2 + ["no label", "no call", ""] + ["no label"] * 2
    everywhere = mistakes.kinds(scores, truth, ["a"], exhaustive=True)[:, 0].tolist()
    assert everywhere == [k.replace("no label", "no call") for k in known]
    table = mistakes.scores_by_kind(scores, np.array(known, dtype=object)[:, None], {"a": 0.6}, bins=10)
    above = table.drop_duplicates("kind").set_index("kind")["above"]
    assert above.to_dict() == {"call": 1.0, "possible call": 1.0, "no call": 0.0, "no label": 0.5}
    assert table.groupby("kind")["share"].sum().to_numpy() == pytest.approx(1)
    assert table["hours"].sum() == pytest.approx(9 / 3600)  # the cell without a score is nowhere


# ---------------------------------------------------------------- likeness


@pytest.fixture
def tones(tmp_path):
    """Two kinds of tones, one after another, and a recording that is gone."""
    t = np.arange(60 * RATE) / RATE
    hz = np.where((t // 4).astype(int) % 2 == 0, 60.0, 300.0)
    wave = 0.3 * np.sin(2 * np.pi * hz * t) * ((t % 4 > 1) & (t % 4 < 3))
    soundfile.write(tmp_path / "r.wav", wave + 0.01 * np.random.default_rng(0).normal(size=len(t)), RATE)
    return recordings_of(tmp_path, 60.0, r=pd.NaT, gone=pd.NaT)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return build(classes=["a"], width=8, sample_rate=RATE, clip_seconds=3.0, features={"band_high_hz": 450.0})


def test_a_sound_is_nearest_to_its_own_kind(tones, detector):
    calls = events_of(*[("r", "low" if k % 2 == 0 else "high", 4.0 * k + 1, 4.0 * k + 3) for k in range(15)])
    mine = mistakes.embeddings(detector, tones, calls, batch=4)
    np.testing.assert_allclose(mine, mistakes.embeddings(detector, tones, calls, batch=15), atol=1e-5)
    alike = mistakes.nearest_calls(mine[:4], mine[4:], calls.iloc[4:], most=3)
    assert alike.groupby("row").size().tolist() == [3] * 4
    assert (alike["label"].to_numpy() == calls["label"].to_numpy()[alike["row"].astype(int)]).all()
    assert (alike["likeness"] <= 1 + 1e-6).all()
    assert (alike.sort_values(["row", "rank"])["likeness"].groupby(alike["row"]).diff().dropna() <= 1e-9).all()
    itself = mistakes.nearest_calls(mine, mine, calls, most=1)
    assert itself["call"].tolist() == list(range(15)) and itself["likeness"].to_numpy() == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_read_is_like_nothing(tones, detector):
    calls = events_of(("r", "low", 1, 3), ("gone", "low", 1, 3), ("r", "high", 59.5, 60))
    mine = mistakes.embeddings(detector, tones, calls)
    assert np.isnan(mine[1]).all() and np.isfinite(mine[[0, 2]]).all()
    alike = mistakes.nearest_calls(mine, mine, calls)
    assert set(alike["row"]) == set(alike["call"]) == {0, 2}
    assert mistakes.embeddings(detector, tones, calls.iloc[:0]).shape[0] == 0
    assert (
        mistakes.nearest_calls(mine[1:2], mine, calls).empty
        and mistakes.nearest_calls(mine, mine[1:2], calls.iloc[1:2]).empty
    )


# ---------------------------------------------------------------- the worst


def test_the_worst_come_first_with_their_context(judged):
    judged, truth = judged
    recordings = recordings_of(r=pd.Timestamp("2009-03-28T00:55:00Z"))
    table = mistakes.worst(judged, truth, recordings, most=3, noise=NOISE)
    assert table["score"].tolist() == [0.9, 0.8, 0.7]  # neither the hit nor the open one
    assert table["heard"].tolist() == ["ship", "knock", ""]
    assert table["annotated"].tolist() == ["a (possible)", "a", "a"]
    assert table["away_seconds"].tolist() == pytest.approx([249 - 112, 401.2 - 302, 500 - 302])
    assert table["time"].iloc[2] == pd.Timestamp("2009-03-28T01:03:20Z")
    assert judged.loc[table.index, "onset"].tolist() == table["onset"].tolist()
    undated = mistakes.worst(judged, events_of(), recordings_of(r=pd.NaT))
    assert len(undated) == 4 and undated["time"].isna().all() and (undated["annotated"] == "").all()
    assert mistakes.worst(judged[judged["verdict"] == "hit"], truth, recordings).empty


def test_sounds_come_with_their_surroundings_and_stay_inside(tones):
    rows = mistakes.worst(
        metrics.judge(events_of(), events_of(("r", "a", 0.5, 1.5, "present", 0.9), ("r", "a", 59, 60, "present", 0.8),
                                             ("gone", "a", 5, 6, "present", 0.7))),
        events_of(), tones,
    )  # fmt: skip
    first, last, gone = mistakes.sounds(rows, tones, RATE)
    assert first[0] == 0.0 and len(first[1]) == 3 * RATE  # from the beginning, 1.5 s beyond the end
    assert last[0] == 57.5 and len(last[1]) == 2.5 * RATE
    assert not gone[1].any()


def test_the_ocean_says_what_else_is_heard_in_it(tmp_path):
    recordings, _ = synth.ocean(tmp_path / "ocean", ocean_days=6, ocean_sites=2, ocean_minutes=0.5, ocean_density=0)
    noise = synth.noises(tmp_path / "ocean")
    assert list(noise.columns) == list(tables.NOISE) and set(noise["label"]) <= {"ship", "rain", "air gun", "knock"}
    assert set(noise["recording"]) <= set(recordings["recording"]) and (noise["offset"] <= 30).all()
    # A knock stands out of its recording where the table says that it is.
    knocks, loud = noise[noise["label"] == "knock"], []
    for row in knocks[knocks["onset"] < 29].itertuples():
        sound, rate = soundfile.read(recordings.set_index("recording").loc[row.recording, "path"])
        first = round(row.onset * rate)
        near = np.abs(sound[first : first + rate // 4])
        loud.append(near.max() / np.median(np.abs(sound)))
    assert np.median(loud) > 4
