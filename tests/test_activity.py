"""Stretches worth looking at: found above the floor of their own band, kept whole, cut out, and never lost silently."""

import itertools

import numpy as np
import pandas as pd
import pytest
import soundfile

from whalelib import activity, audio, tables
from whalelib.errors import InputError

RATE = 1000
HOW = {"sample_rate": RATE, "band_low_hz": 20.0, "band_high_hz": 450.0}


def recordings_of(folder, seconds, **starts):
    rows = [
        {"recording": name, "path": str(folder / f"{name}.wav"), "start": start, "seconds": seconds,
         "sample_rate": RATE, "channels": 1, "group": name}
        for name, start in starts.items()
    ]  # fmt: skip
    return tables.check_recordings(pd.DataFrame(rows))


@pytest.fixture
def sea(tmp_path):
    """Five minutes of noise that rises by 20 dB in the middle, with a call of two seconds every half minute."""
    rng = np.random.default_rng(0)
    t = np.arange(300 * RATE) / RATE
    level = 10 ** (np.interp(t, [100, 200], [0, 20]) / 20)
    wave = 0.003 * level * rng.normal(size=len(t))
    onsets = np.arange(20, 300, 30.0)
    for onset in onsets:
        here = (t >= onset) & (t < onset + 2)
        since = t[here] - onset
        wave[here] += 0.004 * level[here] * np.sin(2 * np.pi * (80 + 10 * since) * since)
    soundfile.write(tmp_path / "SEA_20090328_120000.wav", wave.clip(-1, 1), RATE, "PCM_24")
    recordings = recordings_of(tmp_path, 300.0, SEA_20090328_120000=pd.Timestamp("2009-03-28T12:00:00Z"))
    calls = [{"recording": "SEA_20090328_120000", "label": "a", "onset": a, "offset": a + 2} for a in onsets]
    return recordings, tables.events(calls)


def test_calls_stand_out_of_a_floor_that_rises_and_most_of_the_rest_goes(sea):
    recordings, truth = sea
    stretches, rows = activity.active(recordings, activity_db=8.0, margin_seconds=1.0, **HOW)
    report = activity.kept(stretches, truth, ["a"])
    assert report["recall"].tolist() == [1.0, 1.0]
    assert rows["kept_seconds"].iloc[0] == pytest.approx((stretches["offset"] - stretches["onset"]).sum())
    assert rows["kept_seconds"].iloc[0] < 0.4 * 300
    assert (stretches["onset"].to_numpy()[1:] > stretches["offset"].to_numpy()[:-1]).all()


def test_twice_as_loud_is_the_same(sea, tmp_path):
    recordings, _ = sea
    sound = audio.read(recordings["path"].iloc[0], 0, 300, RATE)
    soundfile.write(tmp_path / "half.wav", sound / 2, RATE, "PCM_24")
    one, other = (activity.excess(str(p), **HOW) for p in (recordings["path"].iloc[0], tmp_path / "half.wav"))
    np.testing.assert_allclose(one, other, atol=0.05)


def test_a_higher_bar_keeps_less_and_none_keeps_all(sea):
    recordings, truth = sea
    table = activity.trade(recordings, truth, ["a"], **HOW).query("`class` == 'all'").sort_values("activity_db")
    assert (np.diff(table["share"]) <= 1e-9).all() and (np.diff(table["recall"]) <= 1e-9).all()
    everything, _ = activity.active(recordings, activity_db=-100.0, **HOW)
    assert everything[["onset", "offset"]].to_numpy().tolist() == [[0.0, 300.0]]
    at_six = table[table["activity_db"] == 6].iloc[0]
    stretches, rows = activity.active(recordings, activity_db=6.0, **HOW)
    assert at_six["share"] == pytest.approx(rows["kept_seconds"].iloc[0] / 300)
    assert at_six["recall"] == activity.kept(stretches, truth, ["a"])["recall"].iloc[-1]


def test_what_lies_outside_the_band_is_not_heard(sea):
    recordings, truth = sea
    stretches, _ = activity.active(recordings, activity_db=8.0, **{**HOW, "band_low_hz": 250.0})
    assert activity.kept(stretches, truth, ["a"])["recall"].iloc[0] < 0.3
    with pytest.raises(InputError, match="nothing between 600 and 700 Hz"):
        activity.third_octaves(RATE, 0.25, 600.0, 700.0)


def test_bands_cover_the_spectrum_once():
    for low, high in ((10, 450), (100, 120), (20, 499)):
        bands = activity.third_octaves(RATE, 0.25, low, high)
        assert all(a.stop == b.start for a, b in itertools.pairwise(bands))
        hz = np.fft.rfftfreq(250, 1 / RATE)
        assert hz[bands[0].start] >= low and hz[bands[-1].stop - 1] <= high


def test_silence_holds_nothing_and_what_is_no_number_is_kept(tmp_path):
    soundfile.write(tmp_path / "still.wav", np.zeros(60 * RATE), RATE)
    broken = 0.01 * np.random.default_rng(0).normal(size=60 * RATE)
    broken[20 * RATE : 22 * RATE] = np.nan
    soundfile.write(tmp_path / "holed.wav", broken, RATE, "FLOAT")
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "short.wav", np.ones(10), RATE)
    recordings = recordings_of(tmp_path, 60.0, still=pd.NaT, holed=pd.NaT, torn=pd.NaT, short=pd.NaT)
    recordings.loc[3, "seconds"] = 0.01
    stretches, rows = activity.active(recordings, activity_db=20.0, margin_seconds=1.0, **HOW)
    rows = rows.set_index("recording")
    assert rows.loc["still", "kept_seconds"] == rows.loc["short", "kept_seconds"] == 0
    held = stretches[stretches["recording"] == "holed"]
    assert held[["onset", "offset"]].to_numpy().tolist() == [[pytest.approx(19, abs=0.3), pytest.approx(23, abs=0.3)]]
    assert np.isnan(rows.loc["torn", "kept_seconds"]) and "torn.wav" in rows.loc["torn", "reason"]
    assert rows.drop(index="torn")["reason"].eq("").all()


def test_levels_are_those_of_a_known_tone(tmp_path):
    t = np.arange(10 * RATE) / RATE
    soundfile.write(tmp_path / "tone.wav", 0.1 * np.sin(2 * np.pi * 100 * t), RATE, "PCM_24")
    table = activity.levels(recordings_of(tmp_path, 10.0, tone=pd.NaT), **HOW)
    assert len(table) == 10 and table["level_db"].to_numpy() == pytest.approx(10 * np.log10(0.1**2 / 2), abs=0.1)
    assert table["offset"].iloc[-1] == 10


def test_a_detector_may_say_what_is_worth_looking_at(tmp_path):
    recordings = recordings_of(tmp_path, 100.0, r=pd.NaT, s=pd.NaT)
    onset = np.arange(100.0)
    score = np.where((onset >= 50) & (onset < 52), 0.4, 0.01)
    score[80] = np.nan
    both = {"a": score, "b": np.where(onset == 0, 0.2, 0)}
    table = pd.DataFrame({"recording": "r", "onset": onset, "offset": onset + 1, **both})
    scores = tables.check_scores(table, ["a", "b"])
    stretches, rows = activity.heard_by(scores, recordings, activity_score=0.1, margin_seconds=2.0)
    # The cell of which only one class is not known is judged by the other.
    assert stretches[["onset", "offset"]].to_numpy().tolist() == [[0.0, 3.0], [48.0, 54.0]]
    assert rows["kept_seconds"].iloc[0] == 9 and "s has no scores" in rows["reason"].iloc[1]


def test_a_call_on_the_edge_of_a_stretch_is_not_kept(tmp_path):
    stretches = pd.DataFrame({"recording": "r", "onset": [0.0, 20.0], "offset": [10.0, 30.0]})
    calls = [("a", 5, 7), ("a", 9, 11), ("a", 9.05, 10.05), ("b", 12, 14), ("b", 9, 21)]
    truth = tables.events([{"recording": "r", "label": n, "onset": a, "offset": b} for n, a, b in calls])
    report = activity.kept(stretches, truth, ["a", "b", "c"], groups=pd.Series({"r": "day"})).set_index("class")
    assert report["kept"].to_dict() == {"a": 2, "b": 0, "c": 0, "all": 2}
    assert np.isnan(report.loc["c", "recall"]) and report.loc["all", "recall"] == pytest.approx(0.4)
    assert report["recall_low"].isna().all()  # of one day no interval is known


def test_stretches_are_cut_out_and_keep_their_time(sea, tmp_path):
    recordings, _ = sea
    name = recordings["recording"].iloc[0]
    stretches = pd.DataFrame({"recording": name, "onset": [18.7, 298.2], "offset": [23.1, 300.0]})
    table = activity.crop(stretches, recordings, tmp_path / "cut")
    assert table["file"].tolist() == ["SEA_20090328_120018.wav", "SEA_20090328_120458.wav"]
    assert table[["onset", "offset"]].to_numpy().tolist() == [[18.0, 24.0], [298.0, 300.0]]
    cut, rate = soundfile.read(tmp_path / "cut" / table["file"].iloc[0])
    np.testing.assert_allclose(cut, audio.read(recordings["path"].iloc[0], 18, 6, RATE), atol=1e-6)
    assert rate == RATE and not list((tmp_path / "cut").glob("*.part"))
    before = (tmp_path / "cut" / table["file"].iloc[0]).stat().st_mtime_ns
    activity.crop(stretches, recordings, tmp_path / "cut")
    assert (tmp_path / "cut" / table["file"].iloc[0]).stat().st_mtime_ns == before
    gone = recordings.assign(path=str(tmp_path / "gone.wav"))
    lost = activity.crop(stretches, gone, tmp_path / "other")
    assert (lost["file"] == "").all() and lost["reason"].str.contains("gone.wav").all()


def test_a_recording_without_a_date_gives_its_second(tmp_path):
    soundfile.write(tmp_path / "tape.wav", np.zeros((20 * RATE, 2)), RATE)
    recordings = recordings_of(tmp_path, 20.0, tape=pd.NaT).assign(channels=2)
    stretches = pd.DataFrame({"recording": "tape", "onset": [3.0], "offset": [5.0]})
    table = activity.crop(stretches, recordings, tmp_path / "cut")
    assert table["file"].tolist() == ["tape__000003s.wav"]
    assert soundfile.info(tmp_path / "cut" / "tape__000003s.wav").channels == 2


def cropped(folder, out, *more):
    from typer.testing import CliRunner

    from whalelib.cli import app

    knobs = ["--knob", "sample_rate=1000", "--knob", "band_high_hz=450", "--knob", "activity_db=8"]
    return CliRunner().invoke(app, ["crop", str(folder), "--out", str(out), *knobs, *more])


def test_the_command_writes_tables_and_sound(sea, tmp_path):
    recordings, truth = sea
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    done = cropped(tmp_path, tmp_path / "out", "--wav")
    assert done.exit_code == 0, done.output
    assert "torn.wav" in done.output and "of 0.08 hours are kept" in done.output
    stretches, kept = (pd.read_csv(tmp_path / "out" / name) for name in ("stretches.csv", "kept.csv"))
    assert activity.kept(stretches, truth, ["a"])["recall"].iloc[0] == 1
    assert sorted(f.name for f in (tmp_path / "out" / "audio").iterdir()) == sorted(stretches["file"])
    assert kept["recording"].tolist() == list(recordings["recording"]) and kept["kept_seconds"].iloc[0] < 150


def test_the_command_asks_a_detector(sea, tmp_path, small_fit):
    small_fit.detector.save_pretrained(str(tmp_path / "detector"))
    done = cropped(tmp_path, tmp_path / "out", "--detector", str(tmp_path / "detector"), "--knob", "activity_score=0")
    assert done.exit_code == 0, done.output
    assert "0.08 of 0.08 hours are kept, in 1 stretches" in done.output  # a bar of nothing keeps everything
    nobody = cropped(tmp_path, tmp_path / "out", "--detector", str(tmp_path / "out"))
    assert isinstance(nobody.exception, InputError)


def test_a_folder_without_recordings_is_a_sentence(tmp_path):
    nothing = cropped(tmp_path, tmp_path / "out")
    assert isinstance(nothing.exception, InputError) and "no recording" in str(nothing.exception)


def test_stretches_that_come_to_share_a_second_are_one_file_and_a_longer_one_is_cut_anew(tmp_path):
    path = tmp_path / "b.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 40 * 1000), 1000)
    recordings = tables.check_recordings(
        pd.DataFrame([("b", str(path), pd.NaT, 40.0, 1000, 1, "b")], columns=list(tables.RECORDINGS))
    )
    stretches = pd.DataFrame({"recording": "b", "onset": [10.0, 10.5, 30.2], "offset": [10.25, 14.0, 31.0]})
    cut = activity.crop(stretches, recordings, tmp_path / "cut")
    assert cut[["onset", "offset"]].to_numpy().tolist() == [[10.0, 14.0], [30.0, 31.0]]
    again = activity.crop(stretches.assign(offset=[10.25, 14.0, 35.0]), recordings, tmp_path / "cut")
    for row in again.itertuples():
        assert soundfile.info(tmp_path / "cut" / row.file).duration == row.offset - row.onset
