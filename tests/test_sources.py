"""Sources: what a folder holds comes out whole, and what is broken in it is named and does no harm to the rest."""

import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from whalelib import audio, formats, sources, synth, tables
from whalelib.errors import InputError

HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"
KEYS = ["recording", "onset", "offset", "low_hz", "high_hz", "label", "truth"]


def write_sound(path, seconds=10.0, rate=1000):
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))
    soundfile.write(path, samples, rate, subtype="PCM_16")


def write_table(path, *rows):
    """A selection table with one row for each (begin, end)."""
    lines = [f"{k}\tSpectrogram 1\t1\t{begin}\t{end}\t50\t200\tcall\n" for k, (begin, end) in enumerate(rows, 1)]
    Path(path).write_text(HEADER + "".join(lines))


def same_events(found, expected):
    order = ["recording", "onset", "label"]
    found, expected = (f[KEYS].sort_values(order, ignore_index=True) for f in (found, expected))
    pd.testing.assert_frame_equal(found, expected, atol=1e-6)


@pytest.fixture(scope="module")
def ocean_folder(small_ocean):
    """Where the small ocean lies."""
    return Path(small_ocean.recordings["path"][0]).parents[1]


@pytest.fixture
def annotated(ocean_folder, tmp_path):
    """The sounds and the selection tables of the small ocean, as someone might hand them in."""
    for part in ("audio", "raven"):
        shutil.copytree(ocean_folder / part, tmp_path / "annotated" / part)
    return tmp_path / "annotated"


# ---------------------------------------------------------------- the synthetic ocean


def test_the_ocean_reads_back_from_its_selection_tables(small_ocean, ocean_folder):
    recordings = small_ocean.recordings
    files = [ocean_folder / "raven" / f"{name}.selections.txt" for name in recordings["recording"]]
    reads = [formats.read_raven(path, recordings) for path in files]
    assert not any(read.problems for read in reads) and len(small_ocean.events) > 100
    same_events(pd.concat([read.events for read in reads]), small_ocean.events)


def test_the_ocean_reads_back_from_its_noaa_log(small_ocean, ocean_folder):
    read = formats.read_noaa_log(ocean_folder / "noaa_log.csv", small_ocean.recordings)
    assert not read.problems
    same_events(read.events, small_ocean.events)


def test_the_ocean_is_annotated_throughout_and_has_nothing_to_complain_of(small_ocean):
    assert small_ocean.exhaustive and small_ocean.problems == []
    assert small_ocean.hours == pytest.approx(10 / 60)
    assert set(small_ocean.events["label"]) == set(synth.SPECIES)


# ---------------------------------------------------------------- a folder of selection tables


def test_a_folder_of_selection_tables_gives_the_ocean_again(annotated, small_ocean):
    survey = sources.load("raven", annotated, exhaustive=True)
    assert survey.problems == [] and survey.exhaustive
    same_events(survey.events, small_ocean.events)
    found, expected = (s.recordings.sort_values("recording", ignore_index=True) for s in (survey, small_ocean))
    pd.testing.assert_frame_equal(found.drop(columns="path"), expected.drop(columns="path"))


def test_a_recording_belongs_to_the_day_in_its_name_or_else_to_itself(tmp_path):
    for name in ("A_20090328_235959", "B-20090329T000000", "tape7", "C_20091399_000000"):
        write_sound(tmp_path / f"{name}.wav")
        write_table(tmp_path / f"{name}.txt")
    recordings = sources.load("raven", tmp_path).recordings.set_index("recording")
    assert recordings["group"].to_dict() == {
        "A_20090328_235959": "2009-03-28",
        "B-20090329T000000": "2009-03-29",
        "tape7": "tape7",
        "C_20091399_000000": "C_20091399_000000",
    }
    assert recordings["start"]["A_20090328_235959"] == pd.Timestamp("2009-03-28 23:59:59", tz="UTC")
    assert pd.isna(recordings["start"]["tape7"])


def test_the_fingerprint_stays_when_the_folder_moves_and_changes_with_a_label(annotated, tmp_path):
    before = sources.load("raven", annotated).fingerprint()
    annotated.rename(tmp_path / "moved")
    assert sources.load("raven", tmp_path / "moved").fingerprint() == before
    assert sources.load("raven", tmp_path / "moved", exhaustive=True).fingerprint() != before
    table = sorted((tmp_path / "moved" / "raven").iterdir())[0]
    text = table.read_text()
    changed = text.replace("minke_pulse_train", "minke", 1)
    assert changed != text
    table.write_text(changed)
    assert sources.load("raven", tmp_path / "moved").fingerprint() != before


def test_a_table_without_rows_says_that_its_recording_is_empty(tmp_path):
    write_sound(tmp_path / "quiet.wav")
    write_table(tmp_path / "quiet.selections.txt")
    survey = sources.load("raven", tmp_path)
    assert list(survey.recordings["recording"]) == ["quiet"] and survey.events.empty and not survey.problems


def test_the_label_column_is_the_one_asked_for(tmp_path):
    write_sound(tmp_path / "one.wav")
    (tmp_path / "one.txt").write_text(
        HEADER.replace("Annotation", "Species") + "1\tSpectrogram 1\t1\t1\t2\t5\t9\tRIWH\n"
    )
    assert list(sources.load("raven", tmp_path, label_column="Species").events["label"]) == ["RIWH"]


# ---------------------------------------------------------------- broken inputs


@pytest.fixture
def broken(tmp_path):
    """One sound pair of recording and table, and everything that can be wrong beside it."""
    write_sound(tmp_path / "sound.wav")
    write_table(tmp_path / "sound.txt", (1, 2), (3, 4.5))
    soundfile.write(tmp_path / "hollow.wav", np.zeros(0), 1000)
    write_sound(tmp_path / "cut.wav")
    write_table(tmp_path / "cut.txt", (1, 2))
    whole = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "zero.wav").touch()
    (tmp_path / "letter.wav").write_text("dear whale, how are you")
    write_table(tmp_path / "gone.txt", (1, 2))
    write_sound(tmp_path / "swapped.wav")
    write_table(tmp_path / "swapped.txt", (5, 4), (6, 7))
    write_sound(tmp_path / "late.wav")
    write_table(tmp_path / "late.txt", (9, 11), (6, 7))
    write_sound(tmp_path / "orphan.wav")
    (tmp_path / "notes.txt").write_text("the weather was fine\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hollow.wav", "holds no samples"),
        ("cut.wav", "is cut short"),
        ("zero.wav", "zero bytes"),
        ("letter.wav", "cannot be read as sound"),
        ("gone", "names a missing recording"),
        ("swapped", "ends before it begins"),
        ("late", "ends after its recording"),
        ("orphan.wav", "has no selection table"),
        ("notes.txt", "is not a Raven selection table"),
    ],
)
def test_each_broken_input_has_a_sentence_of_its_own_that_names_it(broken, name, says):
    (sentence,) = [p for p in sources.load("raven", broken).problems if says in p]
    assert name in sentence and sentence.endswith((".", "?"))


def test_what_is_sound_is_read_from_between_the_broken(broken):
    survey = sources.load("raven", broken)
    assert len(survey.problems) == 9
    assert set(survey.recordings["recording"]) == {"sound", "cut", "swapped", "late"}
    assert survey.recordings.set_index("recording")["seconds"]["cut"] == pytest.approx(5, abs=0.1)
    found = survey.events[["recording", "onset", "offset"]].sort_values(["recording", "onset"])
    assert found.to_numpy().tolist() == [
        ["cut", 1, 2], ["late", 6, 7], ["sound", 1, 2], ["sound", 3, 4.5], ["swapped", 6, 7],
    ]  # fmt: skip


def test_a_folder_that_may_not_be_entered_is_named(broken, monkeypatch):
    closed = broken / "closed"
    closed.mkdir()
    write_sound(closed / "inside.wav")
    closed.chmod(0)
    if os.access(closed, os.R_OK):  # nothing is closed to an administrator, so let the walk find it so

        def walk(top, onerror, followlinks):
            onerror(PermissionError(13, "Permission denied", str(closed)))
            yield top, ["closed"], [p.name for p in Path(top).iterdir() if p.is_file()]

        monkeypatch.setattr(sources.folder.os, "walk", walk)
    survey = sources.load("raven", broken)
    closed.chmod(0o700)
    assert [p for p in survey.problems if f"{closed} cannot be entered (Permission denied)" in p]
    assert len(survey.problems) == 10 and len(survey.recordings) == 4


def test_a_folder_in_which_nothing_can_be_read_is_one_error(tmp_path):
    (tmp_path / "zero.wav").touch()
    write_table(tmp_path / "zero.txt", (1, 2))
    with pytest.raises(InputError, match=r"no recording could be read .*zero bytes"):
        sources.load("raven", tmp_path)


def test_a_missing_folder_and_one_without_tables_say_so(tmp_path):
    with pytest.raises(InputError, match="is no folder: set data_path"):
        sources.load("raven", tmp_path / "nowhere")
    write_sound(tmp_path / "a.wav")
    with pytest.raises(InputError, match="holds no Raven selection table"):
        sources.load("raven", tmp_path)


# ---------------------------------------------------------------- the register


def test_an_unknown_source_lists_those_there_are():
    with pytest.raises(InputError, match=r"no source 'ravn'.*audacity.*raven.*synthetic"):
        sources.load("ravn", ".")


def test_every_source_says_what_it_is():
    here = Path(sources.__file__).parents[2] / "docs" / "reference" / "sources.md"
    docs = here.read_text(encoding="utf-8")
    for name, entry in sources.names().items():
        assert entry.says.endswith(".") and entry.needs and entry.origin
        assert f"\n## {name}: " in docs
        for place in re.findall(r"\S+[./]\S+/\S+", entry.origin):  # an address stands in both
            assert place.strip(",") in docs


def test_two_sources_cannot_share_a_name():
    def raven(folder):
        """Another one."""

    with pytest.raises(ValueError, match="two sources are named 'raven'"):
        sources.register(needs="", origin="")(raven)


def test_a_source_gets_only_the_options_it_has_and_its_tables_are_checked(monkeypatch, tmp_path):
    def one(folder, seconds=1.0):
        """A source of one recording."""
        row = {"recording": "a", "path": "a.wav", "start": pd.NaT, "seconds": seconds, "sample_rate": 1000,
               "channels": 1, "group": "g"}  # fmt: skip
        event = {"recording": "a", "onset": 0.5, "offset": 1.5, "label": "x"}
        return sources.Survey(pd.DataFrame([row]), tables.events([event]), True)

    monkeypatch.setitem(sources.registry._SOURCES, "one", sources.Entry(one, "", ""))
    assert sources.load("one", tmp_path, seconds=2.0, label_column="Species").hours == 2 / 3600
    with pytest.raises(InputError, match=f"one in {tmp_path}.*ends after its recording"):
        sources.load("one", tmp_path)


@pytest.mark.parametrize("uri", ["s3://bucket/whales", "gs://bucket/whales", "https://example.org/whales"])
def test_a_cloud_prefix_reaches_a_source_as_it_was_written_and_a_folder_as_a_path(monkeypatch, uri):
    given = []

    def nowhere(folder):
        """A source that finds nothing."""
        given.append(folder)
        return sources.Survey(tables.empty(tables.RECORDINGS), tables.empty(tables.EVENTS), True, ["nothing there."])

    monkeypatch.setitem(sources.registry._SOURCES, "nowhere", sources.Entry(nowhere, "", ""))
    for folder in (uri, uri + "/", "~/whales"):
        with pytest.raises(InputError, match=f"no recording could be read in {folder} .nothing there"):
            sources.load("nowhere", folder)
    assert given == [uri, uri, Path.home() / "whales"]


def test_many_headers_are_read_at_once_but_not_all_and_keep_their_order(monkeypatch):
    at_once = sources.registry.PROBES_AT_ONCE
    together, lock, running, most = threading.Barrier(at_once), threading.Lock(), [0], [0]

    def probe(path):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait(timeout=20)  # nobody goes on before `at_once` have come
        with lock:
            running[0] -= 1
        if "bad" in path:
            raise InputError(f"{path} is bad.")
        return audio.Probe(float(path.split("-")[0]), 1000, 1, "cut." if "cut" in path else "")

    monkeypatch.setattr(sources.registry.audio, "probe", probe)
    paths = [f"{k}-{'bad' if k % 5 == 1 else 'cut' if k == 7 else 'good'}.wav" for k in range(3 * at_once)]
    rows, problems = sources.registry.probe_all(paths)
    assert [row["path"] for row in rows] == [p for p in paths if "bad" not in p]
    assert [row["seconds"] for row in rows[:3]] == [0.0, 2.0, 3.0]
    assert problems[:3] == ["1-bad.wav is bad.", "6-bad.wav is bad.", "cut."] and most[0] == at_once
    assert 4 <= at_once <= 64
