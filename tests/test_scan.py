"""Scans of many recordings: borders between files, channels, budgets, full disks, kills, and what is told."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from standins import Energy, Mirror, noise, written

from whalelib import formats, post, predict
from whalelib.errors import InputError
from whalelib.predict import finding, hearing, receipt, score_files
from whalelib.predict.levels import Levels

DECIDED = post.Decided({"call": 0.5, "other": 0.99})
STEPS = {"smooth_seconds": 0.2, "merge_seconds": 0.25, "min_seconds": 0.3}


def scan(detector, recordings, folder, **more):
    return predict.scan(detector, recordings, folder, progress=False, **more)


def whole_scan(detector, recordings, folder, **more):
    """Scores and detections of all of these recordings."""
    told = scan(detector, recordings, folder, **more)
    return told, predict.detections(folder, recordings, told, DECIDED, **STEPS)


def parts_of(folder, samples, seconds, rate=200):
    """A sound as consecutive files of so many seconds each; when each began is known to the sample."""
    edges = np.concatenate([[0.0], np.cumsum(seconds)])
    folder.mkdir(parents=True, exist_ok=True)
    starts = pd.Timestamp("2009-03-28", tz="UTC") + pd.to_timedelta(edges[:-1], unit="s")
    for start, begin, end in zip(starts, edges[:-1], edges[1:], strict=True):
        written(folder / f"SITE_{start:%Y%m%d_%H%M%S}.wav", samples[round(begin * rate) : round(end * rate)])
    return predict.inputs([str(folder)]).recordings.assign(start=starts)


def call_at(middle, length=1.0, seconds=60.0):
    time = np.arange(round(seconds * 200)) / 200
    return np.where(np.abs(time - middle) < length / 2, 0.5 * np.sin(2 * np.pi * 31 * time), 0).astype(np.float32)


# Borders between files


def test_scores_at_a_border_are_those_of_the_undivided_sound(tmp_path):
    samples = noise(60.0)
    told = scan(Mirror(slope=0.05), parts_of(tmp_path / "parts", samples, [20, 20, 20]), tmp_path / "scores")
    found = [pd.read_parquet(tmp_path / "scores" / name) for name in told["scores"]]
    whole = parts_of(tmp_path / "whole", samples, [60])
    expected = pd.read_parquet(tmp_path / "one" / scan(Mirror(slope=0.05), whole, tmp_path / "one")["scores"][0])
    for k, part in enumerate(found):
        # The first and the last cell of a file are cut in two; windows lie elsewhere, but a cell hears its own place.
        middle = np.round((part["onset"] + part["offset"]) / 2 + 20 * k, 3)
        same = np.interp(middle, (expected["onset"] + expected["offset"]) / 2, expected["call"])
        np.testing.assert_allclose(part["call"][1:-1], same[1:-1], atol=0.03)


def test_the_sound_of_the_neighbours_is_heard_instead_of_a_mirror(tmp_path):
    """A call in the next file, just beyond the border, raises the scores on this side of it; a mirror would not."""
    heard = {}
    for name, seconds in (("parts", [20, 20]), ("alone", [20])):
        recordings = parts_of(tmp_path / name, call_at(20.5, seconds=40), seconds)
        told = scan(Energy(), recordings, tmp_path / f"{name} scores")
        heard[name] = pd.read_parquet(tmp_path / f"{name} scores" / told["scores"][0])["call"].to_numpy()
    assert heard["parts"][-1] > heard["alone"][-1] + 0.2
    np.testing.assert_allclose(heard["parts"][:150], heard["alone"][:150], atol=1e-6)


@pytest.mark.parametrize("seconds", [[20, 20, 20], [20, 1.5, 18.5, 20], [19.95, 40.05]])
@pytest.mark.parametrize("middle", [19.0, 19.4, 19.8, 20.0, 20.1, 20.6, 39.9, 59.4])
def test_a_call_on_a_border_is_found_once_at_its_place(middle, seconds, tmp_path):
    parts = parts_of(tmp_path / "parts", call_at(middle), seconds)
    _, found = whole_scan(Energy(), parts, tmp_path / "scores")
    _, expected = whole_scan(Energy(), parts_of(tmp_path / "whole", call_at(middle), [60]), tmp_path / "one")
    assert len(found) == len(expected) == 1
    begins = dict(zip(parts["recording"], np.concatenate([[0.0], np.cumsum(parts["seconds"])[:-1]]), strict=True))
    one, only = found.iloc[0], expected.iloc[0]
    place = begins[one["recording"]]
    length = parts.set_index("recording")["seconds"][one["recording"]]
    assert 0 <= one["onset"] < one["offset"] <= length + 1e-6  # a table of events can hold it
    # What the neighbours hold of it is told, and with that it has its whole length.
    whole = one["offset"] - one["onset"] + one["beyond_seconds"]
    assert whole == pytest.approx(only["offset"] - only["onset"], abs=0.16)
    assert max(only["onset"], place) == pytest.approx(place + one["onset"], abs=0.16)
    heard = (max(only["onset"], place), min(only["offset"], place + length))
    assert heard[1] - heard[0] >= whole / 2 - 0.16 or len(seconds) > 3  # most of it lies there


def test_apart_the_two_halves_would_be_two_calls(tmp_path):
    """The test above can fail: the same files, an hour apart, hold half a call each."""
    parts = parts_of(tmp_path / "parts", call_at(20.0, length=2.0), [20, 20])
    _, found = whole_scan(Energy(), parts.assign(start=pd.NaT), tmp_path / "scores")
    assert found["recording"].tolist() == parts["recording"].tolist()


def test_long_sounds_in_pieces_hold_the_same_detections(tmp_path, monkeypatch):
    """Recordings are held together only as long as something may lie across their border."""
    samples = sum(call_at(middle, length, 120.0) for middle, length in ((9.8, 1.5), (25.0, 1), (40.2, 2), (69.0, 9.0)))
    parts = parts_of(tmp_path / "parts", samples, [10] * 12)
    told, found = whole_scan(Energy(), parts, tmp_path / "scores")
    assert len(found) == 4
    held = []
    sounds = finding._sounds
    monkeypatch.setattr(finding, "_parted", lambda *_: False)
    together = predict.detections(tmp_path / "scores", parts, told, DECIDED, **STEPS)
    pd.testing.assert_frame_equal(found, together)
    monkeypatch.undo()
    held = [len(piece) for piece in sounds(tmp_path / "scores", parts, told, DECIDED, STEPS)]
    assert sum(held) == 12 and max(held) <= 3


def test_a_broken_file_parts_what_lies_around_it(tmp_path):
    parts = parts_of(tmp_path / "parts", call_at(20.0), [18, 4, 38])
    Path(parts["path"][1]).write_bytes(b"")
    parts = predict.inputs([str(tmp_path / "parts")]).recordings
    told, found = whole_scan(Energy(), parts, tmp_path / "scores")
    assert told["status"].tolist() == ["done", "failed", "done"]
    assert np.isnan(told["failed_seconds"][1])  # nobody knows how long it was
    assert found.empty and "beyond_seconds" in found


def test_a_neighbour_that_came_later_is_heard(tmp_path):
    parts = parts_of(tmp_path / "parts", call_at(20.0, length=2.0), [20, 20])
    first = scan(Energy(), parts[:1], tmp_path / "scores")
    before = pd.read_parquet(tmp_path / "scores" / first["scores"][0])
    second = scan(Energy(), parts, tmp_path / "scores")
    after = pd.read_parquet(tmp_path / "scores" / second["scores"][0])
    assert not before.equals(after) and len(before) == len(after)


# Channels


def test_a_channel_each_of_them_or_their_mean(tmp_path):
    left, right = noise(10.0, seed=1), noise(10.0, seed=2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], 1), 200, subtype="FLOAT")
    written(tmp_path / "left.wav", left), written(tmp_path / "right.wav", right)
    written(tmp_path / "mean.wav", (left + right) / 2)
    two = predict.inputs([str(tmp_path / "two.wav")]).recordings
    alone = {
        name: whole_scan(Mirror(), predict.inputs([str(tmp_path / f"{name}.wav")]).recordings, tmp_path / name)
        for name in ("left", "right", "mean")
    }
    for channel, name in ((1, "left"), (2, "right"), ("mean", "mean")):
        told, found = whole_scan(Mirror(), two, tmp_path / f"two {name}", channel=channel)
        assert told["channel"].tolist() == [str(channel)]
        pd.testing.assert_frame_equal(
            found.drop(columns=["recording", "channel"]), alone[name][1].drop(columns=["recording", "channel"])
        )
    told, found = whole_scan(Mirror(), two, tmp_path / "each", channel="each")
    assert told["channel"].tolist() == ["1", "2"] and told["status"].tolist() == ["done", "done"]
    for channel, name in ((1, "left"), (2, "right")):
        mine = found[found["channel"] == channel].reset_index(drop=True)
        assert len(mine) and mine["onset"].tolist() == alone[name][1]["onset"].tolist()
    counts = predict.summary(told, found, ["call"])
    assert counts["detections"].tolist() == [len(alone[name][1].query("label == 'call'")) for name in ("left", "right")]


# Levels


def test_silence_and_clipping_are_told(tmp_path):
    samples = noise(100.0) * 0.5
    samples[2000:6000] = 0.25  # 20 s in which nothing moves
    samples[10000:14000:10] = 1.0  # 20 s that touch full scale in every tenth
    path = written(tmp_path / "a.wav", samples, subtype="PCM_16")
    told = scan(Mirror(), predict.inputs([path]).recordings, tmp_path / "scores").iloc[0]
    assert told["silent_share"] == pytest.approx(0.2, abs=1e-3)
    assert told["clipped_share"] == pytest.approx(0.2, abs=1e-3)


def test_levels_do_not_depend_on_how_the_samples_come():
    samples = np.repeat(np.random.default_rng(0).choice([0, 0.5, 1.0], (300, 2)), 37, axis=0).astype(np.float32)
    shares = set()
    for size in (1, 7, 50, 333, 20000):
        levels = Levels()
        for begin in range(0, len(samples), size):
            levels.hear(samples[begin : begin + size], 500)
        shares.add(levels.shares())
    assert len(shares) == 1
    tenths = [samples[k : k + 50] for k in range(0, len(samples), 50)]
    silent = sum(len(t) for t in tenths if (t == t[0]).all()) / len(samples)
    clipped = sum(len(t) for t in tenths if (t >= 1).any()) / len(samples)
    assert shares.pop() == pytest.approx((silent, clipped))
    assert Levels().shares() == (0.0, 0.0)


# Budgets, disks, drives


@pytest.fixture
def three(tmp_path):
    (tmp_path / "in").mkdir()
    for k, name in enumerate("abc"):
        written(tmp_path / "in" / f"{name}.wav", noise(50.0, seed=k))
    return predict.inputs([str(tmp_path / "in")]).recordings


def test_a_budget_stops_in_good_order_and_the_next_start_goes_on(three, tmp_path):
    statuses = []
    for _ in range(3):
        told = scan(Mirror(), three, tmp_path / "scores", minutes=0)
        statuses.append(told["status"].tolist())
        assert not list((tmp_path / "scores").glob("*.part"))
        assert (told["analysed_seconds"] + told["skipped_seconds"]).tolist() == [50.0] * 3
    assert statuses == [["done", *["not reached"] * 2], ["done", "done", "not reached"], ["done"] * 3]
    assert pd.read_csv(tmp_path / "scores" / "receipt.csv")["status"].tolist() == ["done"] * 3


def test_time_up_in_the_middle_of_a_recording_leaves_nothing_of_it(three, tmp_path, monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(hearing.time, "monotonic", lambda: float(next(ticks)))
    told = scan(Mirror(), three, tmp_path / "scores", minutes=0.4, scan_batch=4)  # a little more than the first takes
    assert told["status"].tolist() == ["done", "not reached", "not reached"]
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["a.parquet", "receipt.csv"]


def test_a_full_disk_ends_the_scan_with_a_sentence_and_keeps_what_is_done(three, tmp_path):
    """A real limit on the size of files, in a process of its own: the second recording's scores do not fit."""
    written(three["path"][1], noise(2000.0))
    code = (
        "import resource, sys, pandas as pd, standins; from whalelib import predict\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "table = predict.inputs([sys.argv[1]]).recordings\n"
        "try: predict.scan(standins.Mirror(), table, sys.argv[2], progress=False)\n"
        "except ValueError as error: print(type(error).__name__, error)\n"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(predict.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(tmp_path / "in"), str(tmp_path / "scores")]
    said = subprocess.run(command, cwd=Path(__file__).parent, env=here, capture_output=True, text=True, timeout=120)
    assert said.stdout.startswith("InputError nothing more can be written to"), said.stderr
    assert "File too large" in said.stdout and "make room" in said.stdout
    names = sorted(path.name for path in (tmp_path / "scores").iterdir())
    assert names == ["a.parquet", "receipt.csv"]
    assert pd.read_csv(tmp_path / "scores" / "receipt.csv")["status"].tolist() == ["done", "not reached", "not reached"]
    assert scan(Mirror(), three, tmp_path / "scores")["status"].tolist() == ["done"] * 3


def test_scores_outlive_a_drive_that_is_away(three, tmp_path):
    first = scan(Mirror(), three, tmp_path / "scores")
    (tmp_path / "in").rename(tmp_path / "away")
    pd.testing.assert_frame_equal(scan(Mirror(), three, tmp_path / "scores"), first)
    told = scan(Mirror(slope=0.1), three, tmp_path / "scores")  # but not another detector
    assert told["status"].tolist() == ["failed"] * 3
    assert told["failed_seconds"].tolist() == [50.0] * 3  # the table knew how long they are


def test_parts_of_dead_processes_are_swept_away(three, tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = folder / f"a.parquet.{score_files._HOST}.{dead.pid}.part"
    ours = folder / f"b.parquet.{score_files._HOST}.{os.getpid()}.part"
    living = folder / f"c.parquet.{score_files._HOST}.{os.getppid()}.part"
    elsewhere, old = folder / "d.parquet.other-host.1.part", folder / "e.parquet.other-host.2.part"
    for part in (gone, ours, living, elsewhere, old):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    scan(Mirror(), three, folder)
    assert sorted(folder.glob("*.part")) == [living, elsewhere]


def test_names_that_cannot_be_files_are_refused(three, tmp_path):
    with pytest.raises(InputError, match="without slashes"):
        scan(Mirror(), three.assign(recording=["a/b", "c", "d"]), tmp_path / "scores")
    with pytest.raises(InputError, match="is there twice"):
        scan(Mirror(), three.assign(recording="a"), tmp_path / "scores")


# What is left for the reader


def test_no_whales_and_not_analysed_are_told_apart(three, tmp_path):
    written(three["path"][0], np.zeros(10000, np.float32))
    Path(three["path"][1]).write_bytes(b"no sound")
    told, found = whole_scan(Energy(), three, tmp_path / "out" / "scores")
    predict.publish(tmp_path / "out", three, told, found, ["call"], kinds=["raven", "csv"])
    counts = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("recording")
    assert counts.loc["a", ["status", "detections"]].tolist() == ["done", 0]
    assert counts.loc["a", "analysed_hours"] == pytest.approx(50 / 3600)
    assert counts.loc["b", "status"] == "failed" and np.isnan(counts.loc["b", "detections"])
    assert counts.loc["c", "detections"] == len(found) > 0
    tables = {path.name for path in (tmp_path / "out" / "raven").iterdir()}
    assert tables == {"a.selections.txt", "c.selections.txt"}
    assert formats.read_csv(tmp_path / "out" / "detections.csv").events["recording"].unique().tolist() == ["c"]
    text = (tmp_path / "out" / "receipt.txt").read_text()
    assert "2 done, 0 partly, 1 failed, 0 not reached" in text and "b.wav cannot be read as sound" in text

    # Mended, it has a table; broken again, it loses it.
    for content, there in ((noise(50.0), True), (None, False)):
        written(three["path"][1], content) if there else Path(three["path"][1]).write_bytes(b"")
        told, found = whole_scan(Energy(), three, tmp_path / "out" / "scores")
        predict.publish(tmp_path / "out", three, told, found, ["call"])
        assert (tmp_path / "out" / "raven" / "b.selections.txt").exists() == there


def test_detections_without_their_receipt_are_never_left(three, tmp_path, monkeypatch):
    told, found = whole_scan(Energy(), three, tmp_path / "scores")
    predict.publish(tmp_path, three, told, found, ["call"])
    monkeypatch.setattr(formats, "write_detections", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict.publish(tmp_path, three, told, found, ["call"])
    assert not (tmp_path / "receipt.csv").exists()


def test_totals_add_up(three, tmp_path):
    Path(three["path"][2]).write_bytes(b"")
    told = scan(Mirror(), three[::-1].reset_index(drop=True), tmp_path / "scores", minutes=0)
    sums = predict.totals(told)
    assert (sums["done"], sums["partly"], sums["failed"], sums["not_reached"]) == (1, 0, 1, 1)
    assert sums["hours"] == pytest.approx(sum(sums[f"{fate}_hours"] for fate in ("analysed", "skipped", "failed")))
    assert set(receipt.STATUSES) >= set(told["status"])
    with pytest.raises(InputError, match="knows no channels"):
        predict.refuse_kinds(["audacity"], three, 2)
    with pytest.raises(InputError, match="has no start"):
        predict.refuse_kinds(["noaa"], three, 1)


# A thousand files


def ten_ways_to_break(folder, k):
    """Fifty files, five in each of ten ways, of which none can be analysed; gives a word of each one's reason."""
    whole = written(folder / "whole.wav", noise(1.0), subtype="PCM_16")
    content = Path(whole).read_bytes()
    flac = Path(written(folder / "whole.flac", noise(3.0), subtype="PCM_16")).read_bytes()
    absurd = bytearray(content)
    absurd[24:32] = (10**9).to_bytes(4, "little") + (2 * 10**9).to_bytes(4, "little")
    os.remove(whole), os.remove(folder / "whole.flac")
    ways = {
        "empty": (b"", "zero bytes"),
        "header": (content[:30], "cannot be read as sound"),
        "truncated": (flac[: len(flac) // 2], "breaks off"),
        "text": (b"Selection\tView\n" * 50, "cannot be read as sound"),
        "picture": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(500), "cannot be read as sound"),
        "nothing": (content[:40] + bytes(4), "holds no samples"),
        "rate": (bytes(absurd), "too short to be heard"),
    }
    words = {}
    for name, (data, word) in ways.items():
        for n in range(k):
            path = folder / f"{name}{n}.wav"
            path.write_bytes(data)
            words[path.stem] = word
    for n in range(k):
        written(folder / f"nan{n}.wav", np.full(200, np.nan, np.float32))
        (folder / f"folder{n}.wav").mkdir()
        (folder / f"link{n}.wav").symlink_to("nowhere")
        words |= {f"nan{n}": "no numbers", f"folder{n}": "is a folder", f"link{n}": "cannot be opened"}
    return words


def test_of_a_thousand_files_fifty_are_broken_in_ten_ways(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    sounds = [noise(1.0 + k / 7, seed=k) * (0.9 if k == 3 else 0.1) for k in range(7)]
    for k in range(950):
        written(folder / f"tape{k:03}.wav", sounds[k % 7], subtype="PCM_16")
    words = ten_ways_to_break(folder, 5)
    recordings = predict.inputs([str(folder / "*.wav")]).recordings
    assert len(recordings) == 1000
    told, found = whole_scan(Energy(), recordings, tmp_path / "out" / "scores")
    assert set(found["recording"]) == {f"tape{k:03}" for k in range(3, 950, 7)}
    assert told["status"].value_counts().to_dict() == {"done": 950, "failed": 50}
    reasons = told[told["status"] == "failed"].set_index("recording")["reason"]
    assert set(reasons.index) == set(words)
    for name, word in words.items():
        assert word in reasons[name] and f"{name}.wav" in reasons[name] and "\n" not in reasons[name]
    predict.publish(tmp_path / "out", recordings, told, found, ["call"], kinds=["csv"])
    assert len(pd.read_csv(tmp_path / "out" / "receipt.csv")) == 1000
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["detections"].notna().sum() == 950


# Killed


def scan_and_be_killed(folder, seconds):
    """What the process of the test runs: ten children that scan and publish, each killed after a while."""
    import signal
    import time

    recordings = predict.inputs([f"{folder}/in"]).recordings

    class Slow(Mirror):
        def forward(self, waveform):
            time.sleep(0.002)
            return super().forward(waveform)

    def once(out):
        told, found = whole_scan(Slow(), recordings, out / "scores", scan_batch=4)
        predict.publish(out, recordings, told, found, ["call"], kinds=["raven", "parquet"])

    begun = time.perf_counter()
    once(Path(folder) / "unbroken")
    took = time.perf_counter() - begun
    kills = 0
    for after in np.random.default_rng(int(seconds)).uniform(0.05, 0.5, 10) * took:
        child = os.fork()
        if not child:
            while True:  # it is killed while it works, wherever it is by then
                once(Path(folder) / "killed")
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        kills += os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    once(Path(folder) / "killed")
    print(kills)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_ten_times_it_ends_with_the_tables_of_an_unbroken_scan(tmp_path):
    samples = sum(call_at(middle, 1.0, 80.0) for middle in (9.9, 33.0, 61.0))
    parts_of(tmp_path / "in", samples + 0.05 * noise(80.0), [10] * 8)
    (tmp_path / "in" / "broken.wav").write_bytes(b"")
    code = f"import test_scan; test_scan.scan_and_be_killed({str(tmp_path)!r}, 7)"
    here = {**os.environ, "PYTHONPATH": str(Path(predict.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    said = subprocess.run(command, cwd=Path(__file__).parent, env=here, capture_output=True, text=True, timeout=200)
    assert said.stdout.split() == ["10"], said.stderr
    files = {
        name: {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("unbroken", "killed")
    }
    whole = {name for name in files["killed"] if not Path(name).name.endswith(".part")}
    assert whole == set(files["unbroken"]) and len(whole) > 15
    assert all(files["killed"][name] == files["unbroken"][name] for name in whole)
    assert not any(name.startswith("scores/") for name in set(files["killed"]) - whole)
