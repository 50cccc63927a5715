"""The clip store: what was cut comes back bit by bit, however it was built, and nothing else passes for it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import soundfile
from servers import forget_logins, moto

from whalelib import audio, clips, tables
from whalelib.audio import trouble
from whalelib.clips import building, workplace
from whalelib.errors import InputError

RATE = 1000


def recordings_of(seconds=60.0, count=1, folder="."):
    """Recordings r0, r1, ... of this length, each its own group."""
    rows = [(f"r{k}", f"{folder}/r{k}.wav", pd.NaT, seconds, RATE, 1, f"day{k}") for k in range(count)]
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)))


def events_of(*rows):
    """Calls "a" of r0 from (onset, offset)."""
    return tables.events([{"recording": "r0", "onset": a, "offset": b, "label": "a"} for a, b in rows])


def bytes_of(folder):
    """Every file of a folder, with what is in it."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def small_shards(monkeypatch):
    """Four clips a shard, two of them in memory at a time."""
    monkeypatch.setattr(building, "_SHARD_BYTES", 3 * 2 * RATE)
    monkeypatch.setattr(building, "_SHARDS", 10**6)
    monkeypatch.setattr(building, "_BLOCK_BYTES", 2 * 2 * RATE)


# ---------------------------------------------------------------- what is in it


@pytest.fixture
def survey(tmp_path):
    """Three 16-bit recordings of noise with their events, clips of one second and where to put them."""
    recordings = recordings_of(10.0, 3, folder=str(tmp_path))
    for k, path in enumerate(recordings["path"]):
        soundfile.write(path, np.random.default_rng(k).integers(-(2**15), 2**15, 10 * RATE).astype(np.int16), RATE)
    events = pd.concat([events_of((2, 3)).assign(recording=name) for name in recordings["recording"]])
    folds = pd.Series({"r0": "train", "r1": "validation", "r2": "test"})
    table = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=1.0)
    return recordings, events, table, tmp_path / "store"


def build(survey, **knobs):
    recordings, events, table, folder = survey
    knobs = {"exhaustive": True, "sample_rate": RATE, "clip_seconds": 1.0, **knobs}
    return clips.build_store(folder, recordings, events, table, **knobs)


def test_a_clip_shorter_than_half_a_cell_has_one_cell(survey):
    recordings, events, _, folder = survey
    folds = pd.Series({"r0": "train", "r1": "validation", "r2": "test"})
    table = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=0.01)
    store = build((recordings, events, table, folder), clip_seconds=0.01)
    assert store.batch("train", range(2))["frames"].shape[:2] == (2, 1)
    with pytest.raises(InputError, match="a clip of 0.0004 s has no sample at 1000 Hz: make clip_seconds longer"):
        build(survey, clip_seconds=0.0004)
    assert clips.frame_targets(2.5, 0.01, events[events["recording"] == "r0"], ["a"], exhaustive=True).shape == (1, 1)


def test_the_store_gives_back_what_was_cut_bit_by_bit(survey):
    recordings, events, table, _ = survey
    store = build(survey)
    paths = recordings.set_index("recording")["path"]
    for fold in clips.FOLDS:
        part = table[table["fold"] == fold]
        batch = store.batch(fold, range(len(part)))
        assert len(part) > 4
        for k, clip in enumerate(part.itertuples()):
            first = round(clip.onset * RATE)
            expected = soundfile.read(paths[clip.recording], dtype="int16")[0][first : first + RATE]
            assert (batch["waveform"][k] * 2**15 == expected).all()
            here = events[events["recording"] == clip.recording]
            grid = clips.frame_targets(clip.onset, 1.0, here, ["a"], exhaustive=True)
            assert (batch["frames"][k] == grid).all()
        np.testing.assert_array_equal(batch["targets"], part[["a"]])
        pd.testing.assert_frame_equal(
            store.table(fold)[list(table.columns)], part.reset_index(drop=True), check_dtype=False
        )
    assert store.classes == ["a"] and store.sample_rate == RATE and store.problems == []


def test_a_batch_has_the_rows_asked_for_in_their_order(survey):
    store = build(survey)
    whole = store.batch("test", range(len(store.folds["test"])))
    some = store.batch("test", [5, 0, 5, 2])
    for name in whole:
        np.testing.assert_array_equal(some[name], whole[name][[5, 0, 5, 2]])
    assert whole["waveform"].dtype == np.float32 and whole["frames"].shape[1:] == (40, 1)


def test_a_finished_store_is_opened_and_not_built_again(survey, monkeypatch):
    first = build(survey)
    monkeypatch.setattr(building, "_build", lambda *_: pytest.fail("built again"))
    again = build(survey)
    np.testing.assert_array_equal(again.batch("train", [0])["waveform"], first.batch("train", [0])["waveform"])


def test_a_recording_replaced_by_another_of_its_length_is_cut_again(survey, tmp_path):
    first = build(survey)
    path = survey[0]["path"][0]
    sound, _ = soundfile.read(path, dtype="int16")
    soundfile.write(path, sound[::-1], RATE)
    os.utime(path, (1, 1))
    again = build(survey)
    begin = round(survey[2]["onset"][0] * RATE)
    assert (again.batch("train", [0])["waveform"][0] * 2**15 == sound[::-1][begin : begin + RATE]).all()
    assert again.folder == first.folder and not list(tmp_path.glob("*.part"))


def test_a_store_is_not_cut_again_because_its_recordings_were_moved_or_are_gone(survey, tmp_path, monkeypatch):
    recordings, events, table, folder = survey
    build(survey)
    monkeypatch.setattr(building, "_build", lambda *_: pytest.fail("built again"))
    (tmp_path / "moved").mkdir()
    paths = [shutil.move(path, tmp_path / "moved") for path in recordings["path"]]
    build((recordings.assign(path=paths), events, table, folder))
    os.unlink(paths[0])
    build((recordings.assign(path=paths), events, table, folder))


@pytest.mark.parametrize("trouble", ["missing", "refused"])
def test_clips_that_were_left_out_come_in_when_they_can_be_read(survey, trouble, monkeypatch):
    recordings, _, table, _ = survey
    path, read = recordings["path"][1], building.read_windows
    if trouble == "missing":
        os.rename(path, f"{path}.away")
    else:  # the file stays as it is, and a disk or a server does not give it

        def refused(windows, *also):
            waveforms, fine, _ = read(windows, *also)
            fine = fine & (windows.recording != "r1")
            return waveforms, fine, [f"a clip of 'r1' left out: {k}" for k in np.flatnonzero(~fine)]

        monkeypatch.setattr(building, "read_windows", refused)
    assert len(build(survey).problems) == (table["recording"] == "r1").sum() > 0
    with monkeypatch.context() as still:
        still.setattr(building, "_build", lambda *_: pytest.fail("built again"))
        build(survey)
    monkeypatch.setattr(building, "read_windows", read)
    if trouble == "missing":
        os.rename(f"{path}.away", path)
    store = build(survey)
    assert store.problems == [] and sum(len(store.folds[fold]) for fold in clips.FOLDS) == len(table)


def test_a_fold_without_clips_is_an_empty_fold(survey):
    recordings, events, table, folder = survey
    store = build((recordings, events, table[table["fold"] == "train"], folder))
    assert len(store.folds["train"]) > 4 and len(store.folds["test"]) == 0
    assert store.table("test").empty and "a" in store.table("test")


def test_an_unreadable_recording_leaves_out_its_clips_and_keeps_the_others(survey):
    recordings, _, table, _ = survey
    with open(recordings["path"][1], "wb"):
        pass
    store = build(survey)
    assert len(store.problems) == (table["recording"] == "r1").sum() > 0
    assert all("'r1' left out" in p and "zero bytes" in p for p in store.problems)
    assert {f: len(store.folds[f]) for f in clips.FOLDS} == {**table["fold"].value_counts().to_dict(), "validation": 0}
    assert clips.open_store(store.folder).problems == store.problems


def test_a_sample_that_is_no_number_costs_only_the_clips_that_hold_it(survey):
    recordings, _, table, _ = survey
    sound = np.zeros(10 * RATE, dtype=np.float32)
    sound[5200] = np.nan
    soundfile.write(recordings["path"][1], sound, RATE, subtype="FLOAT")
    store = build(survey)
    hit = (table["recording"] == "r1") & (table["onset"] <= 5.2) & (table["onset"] + 1 > 5.2)
    assert len(store.problems) == hit.sum() == 2
    assert all("no number at 5.200 s" in p for p in store.problems)
    assert len(store.folds["validation"]) == (table["fold"] == "validation").sum() - 2
    assert np.isfinite(store.batch("validation", range(5))["waveform"]).all()


@pytest.mark.parametrize("padding", ["zeros", "random"])
def test_the_frames_of_padding_are_not_known(tmp_path, padding):
    recordings = recordings_of(0.6, folder=str(tmp_path))
    soundfile.write(recordings["path"][0], np.ones(600) / 4, RATE)
    folds = pd.Series({"r0": "test"})
    events = events_of((0.1, 0.3))
    table = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=1.0)
    batch = build((recordings, events, table, tmp_path / "store"), padding=padding).batch("test", [0])
    known = [0] * 4 + [1] * 8 + [0] * 12 if padding == "zeros" else [-1] * 24
    assert batch["frames"][0, :, 0].tolist() == known + [-1] * 16
    assert (batch["waveform"] != 0).sum() == 600 and batch["targets"].tolist() == [[1]]


def test_a_clip_that_is_a_call_alone_has_no_frames(survey):
    recordings, events, _, folder = survey
    folds = pd.Series("train", index=recordings["recording"])
    table = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=2.0, clip_from="call")
    batch = build((recordings, events, table, folder), clip_seconds=2.0, clip_from="call").batch("train", [0, 1])
    assert (batch["frames"] == clips.UNKNOWN).all() and batch["waveform"].shape == (2, 2 * RATE)


@pytest.mark.parametrize("missing", ["store.json", "test-00000.arrow"])
def test_an_unfinished_store_is_a_sentence(survey, missing):
    folder = build(survey).folder
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"{folder} is no finished clip store \\({missing} is missing\\): delete it"):
        clips.open_store(folder)


def test_a_folder_that_holds_something_else_is_left_alone(survey):
    folder = survey[-1]
    folder.mkdir()
    (folder / "thesis.txt").write_text("five years")
    with pytest.raises(InputError, match="holds no clip store: name a new or an empty folder"):
        build(survey)
    assert (folder / "thesis.txt").read_text() == "five years"
    (folder / "thesis.txt").unlink()
    assert len(build(survey).folds["train"])


def test_the_store_tells_what_it_was_made_from(survey):
    folder = build(survey, made_from={"clip_seconds": 1.0}).folder
    about = json.loads((folder / "store.json").read_text())
    assert about["made_from"] == {"clip_seconds": 1.0} and about["clips"]["test"] > 0


# ---------------------------------------------------------------- sounds of every kind


@pytest.mark.parametrize(
    ("ending", "subtype"), [("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("wav", "PCM_U8")]
)
def test_files_of_other_kinds_come_as_they_are_read(tmp_path, ending, subtype):
    recordings = recordings_of(10.0, 1, str(tmp_path))
    recordings["path"] = [str(tmp_path / f"r0.{ending}")]
    sound = np.random.default_rng(0).uniform(-1.2, 1.2, 10 * RATE)
    soundfile.write(recordings["path"][0], sound, RATE, subtype=subtype)
    table = clips.cut(
        recordings, events_of((2, 3)), ["a"], pd.Series({"r0": "test"}), exhaustive=True, clip_seconds=1.0
    )
    found = build((recordings, events_of((2, 3)), table, tmp_path / "store")).batch("test", range(len(table)))[
        "waveform"
    ]
    for k, onset in enumerate(table["onset"]):
        read = audio.read(recordings["path"][0], onset, 1.0)
        np.testing.assert_array_equal(found[k] * 2**15, np.clip(np.rint(read * 2**15), -(2**15), 2**15 - 1))


def test_the_channel_of_a_clip_is_the_one_that_is_stored(tmp_path):
    recordings = recordings_of(10.0, 1, str(tmp_path)).assign(channels=3)
    sound = np.random.default_rng(0).integers(-(2**15), 2**15, (10 * RATE, 3)).astype(np.int16)
    soundfile.write(recordings["path"][0], sound, RATE)
    events = events_of((2, 3), (5, 6)).assign(channel=[2, 3])
    table = clips.cut(recordings, events, ["a"], pd.Series({"r0": "train"}), exhaustive=True, clip_seconds=1.0)
    store = build((recordings, events, table, tmp_path / "store"))
    found = store.batch("train", range(len(table)))
    for k, clip in enumerate(table.itertuples()):
        first = round(clip.onset * RATE)
        assert (found["waveform"][k] * 2**15 == sound[first : first + RATE, clip.channel - 1]).all()
    assert set(store.table("train")["channel"]) == {2, 3}
    elsewhere = (table["channel"] == 3) & (table["onset"] < 4) & (table["a"] != 0)
    frames = found["frames"][elsewhere.to_numpy()]
    assert not (frames == 1).any()  # a call on channel 2 is no frame of channel 3


@pytest.mark.parametrize("file_rate", [800, 1500, 2205])
def test_other_rates_are_resampled_as_single_windows_are(tmp_path, file_rate):
    recordings = recordings_of(20.0, 1, str(tmp_path)).assign(sample_rate=file_rate)
    soundfile.write(recordings["path"][0], np.random.default_rng(0).normal(0, 0.1, 20 * file_rate), file_rate)
    table = clips.cut(
        recordings, events_of((2, 3)), ["a"], pd.Series({"r0": "test"}), exhaustive=True, clip_seconds=1.0,
        clip_hop_seconds=0.37,
    )  # fmt: skip
    found = build((recordings, events_of((2, 3)), table, tmp_path / "store")).batch("test", range(len(table)))[
        "waveform"
    ]
    assert len(table) > 50
    for k, onset in enumerate(table["onset"]):
        alone = audio.pad(audio.read(recordings["path"][0], onset, 1.0, RATE), RATE, "reflect")[:RATE]
        assert np.abs(found[k] - alone).max() < 2 / 2**15


def test_a_bad_sample_costs_the_resampled_windows_that_it_would_cost_alone(tmp_path):
    recordings = recordings_of(20.0, 1, str(tmp_path)).assign(sample_rate=500)
    sound = np.zeros(20 * 500, dtype=np.float32)
    sound[5000] = np.nan
    soundfile.write(recordings["path"][0], sound, 500, subtype="FLOAT")
    folds = pd.Series({"r0": "test"})
    table = clips.cut(recordings, events_of((2, 3)), ["a"], folds, exhaustive=True, clip_seconds=1.0)
    store = build((recordings, events_of((2, 3)), table, tmp_path / "store"))
    lost = []
    for onset in table["onset"]:
        try:
            audio.read(recordings["path"][0], onset, 1.0, RATE)
        except InputError as error:
            lost.append(f"clip at {onset:.2f} s of 'r0' left out: {error}")
    assert store.problems == lost and 2 <= len(lost) < 10
    assert len(store.folds["test"]) == len(table) - len(lost)


# ---------------------------------------------------------------- built by any number, at any pace


def test_the_bytes_do_not_depend_on_the_workers(survey, small_shards):
    recordings, events, table, folder = survey
    with open(recordings["path"][1], "wb"):
        pass
    first = build(survey, workers=1)
    assert len(list(folder.glob("train-*.arrow"))) > 3
    again = build((recordings, events, table, folder.with_name("again")), workers=5)
    assert bytes_of(first.folder) == bytes_of(again.folder)
    assert first.problems and not list(folder.parent.glob("*.part"))


def test_the_clips_of_many_blocks_are_in_the_order_of_the_table(survey, small_shards):
    table = survey[2]
    mixed = table.sample(frac=1, random_state=0)
    store = build((*survey[:2], mixed, survey[3]))
    plain = build((*survey[:2], table, survey[3].with_name("plain")))
    for fold in clips.FOLDS:
        here, order = store.table(fold), mixed[mixed["fold"] == fold]
        assert here["onset"].tolist() == order["onset"].tolist()
        places = [table[table["fold"] == fold].index.get_loc(k) for k in order.index]
        np.testing.assert_array_equal(
            store.batch(fold, range(len(here)))["waveform"], plain.batch(fold, places)["waveform"]
        )


def script_that_dies(after, **knobs):
    """A build in a process of its own that is killed before it reads the clips of block number `after`."""
    return f"""
        import os, signal
        import pandas as pd
        from whalelib import clips
        from whalelib.clips import building
        building._SHARD_BYTES, building._SHARDS, building._BLOCK_BYTES = {3 * 2 * RATE}, 10**6, {2 * 2 * RATE}
        recordings, events, table = (pd.read_pickle(name) for name in ("recordings", "events", "clips"))
        read, count = building.read_windows, 0
        def read_or_die(*given):
            global count
            count += 1
            if count > {after}:
                os.kill(os.getpid(), signal.SIGKILL)
            return read(*given)
        building.read_windows = read_or_die
        knobs = dict(exhaustive=True, sample_rate={RATE}, clip_seconds=1.0, workers=1, **{knobs})
        clips.build_store("store", recordings, events, table, **knobs)
    """


def die(survey, after, **knobs):
    recordings, events, table, folder = survey
    for name, frame in (("recordings", recordings), ("events", events), ("clips", table)):
        frame.to_pickle(folder.parent / name)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = textwrap.dedent(script_that_dies(after, **knobs))
    killed = subprocess.run([sys.executable, "-c", script], cwd=folder.parent, env=env, check=False)
    assert killed.returncode == -signal.SIGKILL


def test_a_build_that_was_killed_goes_on_with_its_finished_shards(survey, small_shards, monkeypatch):
    folder = survey[-1]
    whole = build((*survey[:3], folder.with_name("whole")))
    die(survey, after=5)
    with pytest.raises(InputError, match="is no finished clip store"):
        clips.open_store(folder)
    (part,) = folder.parent.glob("store.*.part")
    kept = {path.name: path.read_bytes() for path in part.glob("*.arrow")}
    assert len(kept) == 2  # the third was in the middle
    read, blocks = building.read_windows, []
    monkeypatch.setattr(building, "read_windows", lambda *given: blocks.append(1) or read(*given))
    store = build(survey)
    assert len(blocks) == sum(-(-one["clips"] // 2) for fold in clips.FOLDS for one in store.about["shards"][fold]) - 4
    assert bytes_of(folder) == bytes_of(whole.folder)
    assert not list(folder.parent.glob("*.part"))


def test_a_shard_damaged_by_the_crash_is_cut_again(survey, small_shards):
    folder = survey[-1]
    whole = build((*survey[:3], folder.with_name("whole")))
    die(survey, after=5)
    (shard, *_) = sorted(folder.parent.glob("store.*.part/*.arrow"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    build(survey)
    assert bytes_of(folder) == bytes_of(whole.folder)


def test_what_dead_builds_of_other_plans_left_is_removed_and_what_live_ones_hold_is_not(survey, small_shards):
    folder = survey[-1]
    die(survey, after=3, padding="zeros")
    (dead,) = folder.parent.glob("store.*.part")
    strangers = folder.parent / "storehouse.x.part"
    strangers.mkdir()
    with workplace.workplace(folder, "alive", lambda: False) as alive:
        assert not dead.exists()
        build(survey)
        assert alive.exists()
    assert workplace.remove_dead(folder) == [alive]
    assert strangers.exists() and clips.open_store(folder)


def test_a_file_changed_since_the_crash_is_read_again(survey, small_shards):
    die(survey, after=5)
    path = survey[0]["path"][0]
    sound, _ = soundfile.read(path, dtype="int16")
    soundfile.write(path, sound[::-1], RATE)
    os.utime(path, (1, 1))
    found = build(survey).batch("train", [0])["waveform"][0] * 2**15
    first = round(survey[2]["onset"][0] * RATE)
    assert (found == sound[::-1][first : first + RATE]).all()


def test_two_that_build_one_store_at_once_build_it_once(survey, small_shards, monkeypatch):
    read, blocks = building.read_windows, []

    def slowly(*given):
        blocks.append(1)
        time.sleep(0.02)
        return read(*given)

    monkeypatch.setattr(building, "read_windows", slowly)
    stores = []
    threads = [threading.Thread(target=lambda: stores.append(build(survey, workers=1))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 3
    shards = [one for fold in clips.FOLDS for one in stores[0].about["shards"][fold]]
    assert len(blocks) == sum(-(-one["clips"] // 2) for one in shards)


def test_a_full_disk_is_a_sentence_and_what_is_finished_is_kept(survey, small_shards, monkeypatch):
    write = building._write_shard

    def until_full(path, *given):
        if path.name.startswith("test"):
            raise OSError(28, "No space left on device")
        return write(path, *given)

    monkeypatch.setattr(building, "_write_shard", until_full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\): make room"):
        build(survey, workers=1)
    assert len(list(survey[-1].parent.glob("store.*.part/*.arrow"))) > 3
    monkeypatch.setattr(building, "_write_shard", write)
    build(survey)


def test_memory_does_not_grow_with_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_BLOCK_BYTES", 200_000)
    recordings = recordings_of(100.0, 1, str(tmp_path))
    soundfile.write(recordings["path"][0], np.zeros(100 * RATE, dtype=np.int16), RATE)
    table = pd.DataFrame({"recording": "r0", "onset": np.linspace(0, 98, 8000), "seconds": 2.0, "weight": 1.0})
    table = table.assign(group="x", fold="train", a=0.0)
    tracemalloc.start()
    try:
        store = build((recordings, events_of((2, 3)), table, tmp_path / "store"), clip_seconds=2.0, workers=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = sum(one["bytes"] for one in store.about["shards"]["train"])
    assert size > 32e6 and peak < size / 3


# ---------------------------------------------------------------- opened as what it is


def test_a_store_is_refused_as_something_else(survey):
    folder = build(survey).folder
    assert clips.open_store(folder, classes=["a"], sample_rate=RATE, clip_seconds=1.0, full_check=True)
    with pytest.raises(InputError, match=r"a clip store with classes \['a'\], and \['b'\] was asked for: name"):
        clips.open_store(folder, classes=["b"])
    with pytest.raises(InputError, match="with sample_rate 1000 Hz, and 2000 Hz was asked for"):
        clips.open_store(folder, sample_rate=2000)
    with pytest.raises(InputError, match="with clip_seconds 1.0 s, and 3.0 s was asked for"):
        build(survey, clip_seconds=3.0)


def test_a_folder_that_holds_a_store_of_other_clips_is_no_store_of_these(survey):
    build(survey)
    for change in ({"padding": "wrap"}, {"seed": 1}):
        with pytest.raises(InputError, match="holds a store of other clips or knobs: delete it or name a new folder"):
            build(survey, **change)
    with pytest.raises(InputError, match="holds a store of other clips or knobs"):
        build((*survey[:2], survey[2].assign(weight=2.0), survey[3]))


@pytest.mark.parametrize("number", [1, 2, None])
def test_another_format_is_a_sentence(survey, number):
    folder = build(survey).folder
    about = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**about, "format": number}))
    with pytest.raises(InputError, match=f"holds a clip store of format {number}, and this version reads format 3"):
        clips.open_store(folder)


@pytest.mark.parametrize("text", ["", "[1]", '{"format": '])
def test_a_store_json_that_describes_nothing_is_a_sentence(survey, text):
    folder = build(survey).folder
    (folder / "store.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read|does not describe a clip store"):
        clips.open_store(folder)


def test_files_that_are_not_whole_are_noticed(survey):
    folder = build(survey).folder
    path = folder / "train-00000.arrow"
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"train-00000.arrow is not whole \([\d,]+ bytes of [\d,]+\): copy it again"):
        clips.open_store(folder)
    path.write_bytes(data[:-8] + bytes(8))
    with pytest.raises(InputError, match=r"train-00000.arrow is not whole \(its end is damaged\)"):
        clips.open_store(folder)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    clips.open_store(folder)
    with pytest.raises(InputError, match="train-00000.arrow was changed since it was written"):
        clips.open_store(folder, full_check=True)


def test_a_store_that_was_moved_and_may_not_be_written_is_opened(survey, tmp_path):
    store = build(survey)
    expected = store.batch("train", [3, 1])
    moved = tmp_path / "elsewhere" / "data set"
    shutil.copytree(store.folder, moved)
    shutil.rmtree(store.folder)
    before = bytes_of(moved)
    for path in (*moved.iterdir(), moved):
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = clips.open_store(moved).batch("train", [3, 1])
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    assert bytes_of(moved) == before
    moved.chmod(0o755)


def test_the_store_says_how_it_was_made(survey):
    about = build(survey, padding="wrap", seed=4).about
    assert (about["padding"], about["seed"], about["classes"], about["exhaustive"]) == ("wrap", 4, ["a"], True)
    assert about["source"]["recordings"] == 3 and about["source"]["events"] == 3
    assert about["versions"]["soundfile"] == soundfile.__version__ and about["versions"]["numpy"] == np.__version__
    assert all(len(one["sha256"]) == 64 for fold in clips.FOLDS for one in about["shards"][fold])


def test_clips_of_no_fold_or_recording_are_a_sentence(survey):
    recordings, events, table, folder = survey
    with pytest.raises(
        InputError, match="a clip is in the fold 'valid': a store has the folds train, validation, test"
    ):
        build((recordings, events, table.assign(fold="valid"), folder))
    with pytest.raises(InputError, match="a clip is of 'r2', which is no recording"):
        build((recordings[:2], events, table, folder))
    assert not folder.exists()


# ---------------------------------------------------------------- batches


def test_batches_of_many_blocks_are_those_of_the_data_set(survey, small_shards):
    store = build(survey)
    dataset = store.folds["train"]
    rows = np.random.default_rng(0).permutation(len(dataset))
    batch = store.batch("train", rows)
    for k, row in enumerate(rows.tolist()):
        plain = dataset[row]
        assert (batch["waveform"][k] * 2**15 == plain["waveform"]).all()
        assert batch["targets"][k].tolist() == plain["targets"] and batch["weight"][k] == plain["weight"]
        assert batch["frames"][k].ravel().tolist() == plain["frames"]
    assert all(values.flags.writeable for values in batch.values())


def test_a_data_set_that_datasets_has_reordered_is_read_in_its_order(survey, small_shards):
    dataset = build(survey).folds["train"]
    whole = clips.read_batch(dataset, range(len(dataset)))["waveform"]
    chosen = dataset.select([7, 2, 9])
    np.testing.assert_array_equal(clips.read_batch(chosen, [2, 0])["waveform"], whole[[9, 7]])
    changed = dataset.map(lambda row: {"weight": 0.5}, load_from_cache_file=False)
    assert (clips.read_batch(changed, [0, 8])["weight"] == 0.5).all()
    np.testing.assert_array_equal(clips.read_batch(changed, [0, 8])["waveform"], whole[[0, 8]])


def test_rows_that_are_not_there_and_no_rows(survey):
    store = build(survey)
    for rows in ([-1], [len(store.folds["test"])]):
        with pytest.raises(IndexError, match="are asked of"):
            store.batch("test", rows)
    assert store.batch("test", [])["waveform"].shape == (0, RATE)


# ---------------------------------------------------------------- uploaded


def test_an_uploaded_store_is_a_store(survey, small_shards, tmp_path):
    import fsspec

    store = build(survey)
    there = clips.upload(store.folder, "memory://bucket/stores/one/")
    memory = fsspec.filesystem("memory")
    assert there[-1] == "memory://bucket/stores/one/store.json" and len(there) == len(bytes_of(store.folder))
    memory.get("/bucket/stores/one/", str(tmp_path / "fetched"), recursive=True)
    assert bytes_of(tmp_path / "fetched") == bytes_of(store.folder)
    assert clips.open_store(tmp_path / "fetched", full_check=True).classes == ["a"]
    memory.rm("/bucket", recursive=True)


def test_an_upload_that_breaks_off_leaves_no_store_json(survey, small_shards, monkeypatch):
    import fsspec

    store = build(survey)
    memory = fsspec.filesystem("memory")
    put = type(memory).put_file

    def until(self, here, there, **given):
        if "test-" in there:
            raise OSError("the line is dead")
        return put(self, here, there, **given)

    monkeypatch.setattr(type(memory), "put_file", until)
    with pytest.raises(
        InputError, match=r"could not be copied to memory://broken \(OSError: the line is dead\): check the place"
    ):
        clips.upload(store.folder, "memory://broken")
    assert memory.exists("/broken/train-00000.arrow") and not memory.exists("/broken/store.json")
    memory.rm("/broken", recursive=True)
    with pytest.raises(InputError, match="nowhere://x is no place to copy to"):
        clips.upload(store.folder, "nowhere://x")
    (store.folder / "train-00000.arrow").write_bytes(b"")
    with pytest.raises(InputError, match="is not whole"):
        clips.upload(store.folder, "memory://broken")


@pytest.fixture
def uploaded(survey, small_shards):
    """A store and where a copy of it lies."""
    import fsspec

    store = build(survey)
    clips.upload(store.folder, "memory://sea/clips")
    yield store, "memory://sea/clips"
    fsspec.filesystem("memory").rm("/sea", recursive=True)


def test_a_fetched_store_is_the_uploaded_one(uploaded, tmp_path):
    store, uri = uploaded
    fetched = clips.fetch(uri, tmp_path / "fetched", progress=False)
    assert bytes_of(fetched.folder) == bytes_of(store.folder)
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(InputError, match="is there already"):
        clips.fetch(uri, tmp_path / "fetched")
    with pytest.raises(InputError, match="holds no finished clip store"):
        clips.fetch("memory://sea/nothing", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_fetch_that_broke_off_goes_on_and_what_was_damaged_on_the_way_comes_again(uploaded, tmp_path, monkeypatch):
    import fsspec

    store, uri = uploaded
    memory = type(fsspec.filesystem("memory"))
    get, fetched = memory.get_file, []

    def until(self, there, here, **given):
        if "test-" in there:
            raise OSError("the line is dead")
        return get(self, there, here, **given)

    monkeypatch.setattr(memory, "get_file", until)
    with pytest.raises(InputError, match=r"the line is dead\): run it again to go on"):
        clips.fetch(uri, tmp_path / "fetched", progress=False)
    assert not (tmp_path / "fetched").exists()
    (tmp_path / "fetched.part" / "train-00001.arrow").write_bytes(b"half")
    monkeypatch.setattr(memory, "get_file", lambda s, a, b, **g: fetched.append(a.split("/")[-1]) or get(s, a, b, **g))
    assert bytes_of(clips.fetch(uri, tmp_path / "fetched", progress=False).folder) == bytes_of(store.folder)
    assert "train-00001.arrow" in fetched and "train-00000.arrow" not in fetched


@pytest.fixture
def bucket(monkeypatch):
    """The bucket `whales` of a server on the loopback, without any login."""
    for package in ("s3fs", "moto", "boto3"):
        pytest.importorskip(package)
    forget_logins(monkeypatch)
    monkeypatch.setattr(trouble, "pause", lambda seconds: None)
    with moto() as running:
        monkeypatch.setenv("WHALELIB_S3_ENDPOINT", running.url)
        running.client.create_bucket(Bucket="whales")
        yield running.client


def test_a_bucket_is_written_with_a_login_and_read_without(survey, bucket, tmp_path, monkeypatch):
    store = build(survey)
    login = {"AWS_ACCESS_KEY_ID": "whale", "AWS_SECRET_ACCESS_KEY": "song", "AWS_DEFAULT_REGION": "us-east-1"}
    with monkeypatch.context() as logged_in:
        for name, value in login.items():
            logged_in.setenv(name, value)
        there = clips.upload(store.folder, "s3://whales/clips", progress=False)
    assert {one["Key"] for one in bucket.list_objects_v2(Bucket="whales")["Contents"]} == {
        uri.removeprefix("s3://whales/") for uri in there
    }
    with pytest.raises(InputError, match=r"\((the server answered 403|access was refused)\): set AWS_ACCESS_KEY_ID"):
        clips.fetch("s3://whales/clips", tmp_path / "fetched", progress=False)
    for uri in there:
        bucket.put_object_acl(Bucket="whales", Key=uri.removeprefix("s3://whales/"), ACL="public-read")
    fetched = clips.fetch("s3://whales/clips", tmp_path / "fetched", progress=False)
    assert bytes_of(fetched.folder) == bytes_of(store.folder)
    with pytest.raises(InputError, match="holds no finished clip store|could not be copied"):
        clips.fetch("s3://nowhere/clips", tmp_path / "other", progress=False)


@pytest.mark.parametrize("login", [{}, {"AWS_PROFILE": "nobody"}])
def test_a_server_that_is_not_there_or_a_login_that_is_not_is_a_sentence(survey, monkeypatch, tmp_path, login):
    pytest.importorskip("s3fs")
    forget_logins(monkeypatch)
    waited = []
    monkeypatch.setattr(trouble, "pause", waited.append)
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", "http://127.0.0.1:9")
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="could not be copied to s3://whales/clips"):
        clips.upload(build(survey).folder, "s3://whales/clips", progress=False)
    with pytest.raises(InputError, match="s3://whales/clips could not be copied to"):
        clips.fetch("s3://whales/clips", tmp_path / "fetched", progress=False)
    assert login or waited == [*trouble.WAITS] * 2


def test_a_hub_that_cannot_be_reached_is_told_from_one_that_refuses():
    """The hub's client is httpx, which has its own errors."""
    httpx = pytest.importorskip("httpx")
    with pytest.raises(httpx.ConnectError) as unreached:
        httpx.get("http://127.0.0.1:9", trust_env=False)
    assert trouble.diagnosed(unreached.value) == ("passing", "the server cannot be reached")
    for status, kind in ((401, "forbidden"), (404, "missing"), (503, "passing")):
        answer = httpx.Response(status, request=httpx.Request("GET", "http://127.0.0.1"))
        with pytest.raises(httpx.HTTPStatusError) as refused:
            answer.raise_for_status()
        assert trouble.diagnosed(refused.value).kind == kind


def test_the_tables_come_with_the_clips(survey):
    recordings, events = survey[:2]
    store = build(survey)
    held, marked = store.tables()
    names = [path.rsplit("/", 1)[-1] for path in recordings["path"]]
    pd.testing.assert_frame_equal(held, recordings.assign(path=names).reset_index(drop=True))
    pd.testing.assert_frame_equal(marked, events.reset_index(drop=True))
    (store.folder / "events.parquet").unlink()
    with pytest.raises(InputError, match="events.parquet is missing"):
        clips.open_store(store.folder)


# ---------------------------------------------------------------- real recordings


def test_the_right_whale_clips_are_stored_as_they_are(real_data, tmp_path):
    folder = real_data / "right_whale"
    listed = pd.read_csv(folder / "labels.csv")[:300]
    names = [file.removesuffix(".wav") for file in listed["file"]]
    rows = {"recording": names, "path": [str(folder / "audio" / f) for f in listed["file"]], "start": pd.NaT}
    recordings = pd.DataFrame({**rows, "seconds": 2.0, "sample_rate": 2000, "channels": 1, "group": names})
    recordings = tables.check_recordings(recordings)
    calls = (listed["label"] == "upcall").to_numpy()
    events = pd.DataFrame({"recording": recordings["recording"][calls], "onset": 0.0, "offset": 2.0, "label": "upcall"})
    folds, warnings = clips.split_by_class(recordings, tables.events(events))
    table = clips.cut(recordings, tables.events(events), ["upcall"], folds, exhaustive=True, clip_seconds=2.0)
    assert warnings == [] and table["recording"].tolist() == names and table["upcall"].sum() == calls.sum()
    clips.check_leakage(table, recordings)
    store = clips.build_store(
        tmp_path / "store",
        recordings,
        tables.events(events),
        table,
        exhaustive=True,
        sample_rate=2000,
        clip_seconds=2.0,
    )
    for fold in clips.FOLDS:
        here = store.table(fold)
        found = store.batch(fold, range(len(here)))["waveform"]
        for k, name in enumerate(here["recording"]):
            np.testing.assert_array_equal(
                found[k], soundfile.read(folder / "audio" / f"{name}.wav", dtype="float32")[0]
            )
