"""Audacity, BirdNET, the plain tables, reviewed Raven tables: written and read back, or refused with a sentence."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutants
from pandas.testing import assert_frame_equal

from whalelib import formats, tables
from whalelib.errors import InputError

EVENT = {"recording": "a", "onset": 1.5, "offset": 2.5, "label": "call"}
RAVEN = "Begin Time (s)\tEnd Time (s)\tAnnotation\tVerdict\n"
BIRDNET = "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
BIRDNET_RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon Name\tSpecies Code\t"
    "Confidence\tBegin Path\tFile Offset (s)\n"
)
EVENTS_HEADER = "recording,onset,offset,low_hz,high_hz,label,truth,score,channel\n"
RECORDINGS_HEADER = "recording,path,start,seconds,sample_rate,channels,group\n"


def recordings_table(ids=("a", "b"), paths=None, starts=None, seconds=900.0):
    starts = pd.to_datetime(pd.Series(starts or [None] * len(ids)), utc=True, format="ISO8601")
    columns = {"recording": ids, "path": paths or [f"gs://bucket/{name}.wav" for name in ids], "start": starts}
    rest = {"seconds": seconds, "sample_rate": 2000, "channels": 1, "group": "site"}
    return tables.check_recordings(pd.DataFrame({**columns, **rest}))


def some_events(*rows):
    return tables.events([{**EVENT, **row} for row in rows or ({},)])


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ---- every format gives back what it was given


LABELS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9).filter(str.strip),
    st.sampled_from(
        ["Balaenoptera musculus_Blue Whale", "_", "a_", "_a", "a_a", "a_ b", "a__b", '"', "\\", "a,b", "1"]
    ),
)
HERTZ = st.one_of(st.just(np.nan), st.floats(0, 400))


@st.composite
def event_tables(draw, ids=("a", "b"), truths=tables.TRUTHS, channels=4):
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        onset = draw(st.floats(0, 890))
        rows.append(
            {
                "recording": draw(st.sampled_from(ids)),
                "onset": onset,
                "offset": onset + draw(st.floats(0.001, 9)),
                "low_hz": draw(HERTZ),
                "high_hz": draw(HERTZ) + 500,
                "label": draw(LABELS),
                "truth": draw(st.sampled_from(truths)),
                "score": draw(st.one_of(st.just(np.nan), st.floats(-50, 50))),
                "channel": draw(st.integers(1, channels)),
            }
        )
    return tables.events(rows)


def as_written(events):
    """In order of recording and onset, labels without outer blanks."""
    events = events.sort_values(["recording", "onset"], kind="stable").reset_index(drop=True)
    return events.assign(label=events["label"].str.strip())


def conforms(folder, write, read, events, expected, atol=0.0):
    first, second = folder / "first", folder / "second"
    write(first, events)
    found = read(first)
    assert found.problems == []
    assert_frame_equal(found.events, expected, rtol=0, atol=atol, check_exact=atol == 0)
    write(second, found.events)
    assert first.read_bytes() == second.read_bytes()


FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(events=event_tables(ids=("a",), truths=("present",), channels=1))
def test_audacity_conforms(tmp_path, events):
    conforms(
        tmp_path,
        formats.write_audacity,
        lambda path: formats.read_audacity(path, recording="a"),
        events,
        as_written(events),
    )


@FEW
@given(events=event_tables())
def test_birdnet_conforms(tmp_path, events):
    recordings = recordings_table()
    conforms(
        tmp_path,
        lambda path, events: formats.write_birdnet(path, events, recordings),
        lambda path: formats.read_birdnet(path, recordings),
        events,
        as_written(events),
    )
    conforms(tmp_path, formats.write_birdnet, formats.read_birdnet, as_written(events), as_written(events))


@FEW
@given(events=event_tables())
def test_birdnet_raven_conforms(tmp_path, events):
    recordings = recordings_table()
    conforms(
        tmp_path,
        lambda path, events: formats.write_birdnet_raven(path, events, recordings),
        lambda path: formats.read_birdnet_raven(path, recordings),
        events,
        as_written(events).fillna({"low_hz": 0.0, "high_hz": 1000.0}),
        atol=1.1e-9,
    )


@FEW
@given(events=event_tables(), kind=st.sampled_from(["csv", "parquet"]), extra=st.sampled_from(["text", "int", "float"]))
def test_plain_tables_conform_with_a_column_of_ones_own(tmp_path, events, kind, extra):
    values = {"text": ["007", 'a "b", c', "é"], "int": [-3, 0, 7], "float": [0.1, np.nan, 1e-300]}[extra]
    events["mine"] = [values[at % 3] for at in range(len(events))]
    if events.empty:
        events["mine"] = pd.Series(dtype="str")
    conforms(tmp_path, formats.WRITERS[kind], formats.READERS[kind], events, events)


@FEW
@given(
    start=st.one_of(st.none(), st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1))),
    nanoseconds=st.integers(0, 999),
    seconds=st.floats(1e-3, 1e9),
    ending=st.sampled_from([".csv", ".parquet", ".PARQUET"]),
)
def test_recordings_conform(tmp_path, start, nanoseconds, seconds, ending):
    recordings = recordings_table(ids=("a", "å, b"), starts=["2009-03-28T00:00:00", None], seconds=seconds)
    if start is not None:
        recordings.loc[1, "start"] = pd.Timestamp(start, tz="UTC").as_unit("ns") + pd.Timedelta(nanoseconds)
    recordings["depth"] = [31.5, np.nan]
    first, second = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    formats.write_recordings(first, recordings)
    found = formats.read_recordings(first)
    assert_frame_equal(found, recordings, check_exact=True)
    formats.write_recordings(second, found)
    assert first.read_bytes() == second.read_bytes()
    assert (first.read_bytes()[:4] == b"PAR1") == (ending != ".csv")


@pytest.mark.parametrize("name", sorted(formats.READERS))
def test_every_format_is_found_by_name_and_called_alike(tmp_path, name):
    recordings = recordings_table(starts=["2009-03-28T00:00:00", "2009-03-28T00:15:00"])
    events = some_events({"low_hz": 50.0, "high_hz": 400.0, "score": 0.5}, {"onset": 3.0, "offset": 4.0})
    events = events.fillna({"low_hz": 0.0, "high_hz": 1000.0})
    formats.WRITERS[name](tmp_path / "a.txt", events, recordings)
    found = formats.READERS[name](tmp_path / "a.txt", recordings)
    assert found.problems == []
    assert_frame_equal(found.events, events)
    assert set(formats.WRITERS) == set(formats.READERS)
    assert os.listdir(tmp_path) == ["a.txt"]


# ---- Audacity


def read_audacity_text(tmp_path, text, **keywords):
    return formats.read_audacity(written(tmp_path / "tape_labels.txt", text), **keywords)


def test_audacity_as_audacity_writes_it(tmp_path):
    text = "3.400000\t6.100000\tregion\n\\\t50.000000\t-1.000000\n7.000000\t8.000000\tBalaenoptera, Fin\t0.8432\n"
    found = read_audacity_text(tmp_path, text)
    assert found.problems == []
    columns = ["recording", "onset", "offset", "label", "truth", "channel"]
    assert found.events[columns].values.tolist() == [
        ["tape", 3.4, 6.1, "region", "present", 1],
        ["tape", 7.0, 8.0, "Balaenoptera, Fin", "present", 1],
    ]
    np.testing.assert_array_equal(found.events["low_hz"], [50.0, np.nan])
    np.testing.assert_array_equal(found.events["high_hz"], [np.nan, np.nan])
    np.testing.assert_array_equal(found.events["score"], [np.nan, 0.8432])


def test_audacity_is_written_as_audacity_would(tmp_path):
    events = some_events({"onset": 0.1, "offset": 0.1234567, "low_hz": 10.0}, {"score": 0.5})
    formats.write_audacity(tmp_path / "out.txt", events)
    text = "0.100000\t0.1234567\tcall\n\\\t10.000\t-1\n1.500000\t2.500000\tcall\t0.5\n"
    assert (tmp_path / "out.txt").read_text() == text
    formats.write_audacity(tmp_path / "out.txt", some_events({"onset": 1e-9, "offset": 2e-9}))
    assert (tmp_path / "out.txt").read_text() == "0.000000001\t0.000000002\tcall\n"


def test_an_audacity_file_without_labels_is_empty(tmp_path):
    found = read_audacity_text(tmp_path, "")
    assert_frame_equal(found.events, tables.empty(tables.EVENTS))
    assert found.problems == []


def test_audacity_with_commas_bom_and_dos_lines(tmp_path):
    found = read_audacity_text(tmp_path, b"\xef\xbb\xbf1,5\t2,25\tcall\r\n\\\t50,5\t-1,000\r\n")
    assert found.problems == []
    assert found.events.loc[0, ["onset", "offset", "low_hz"]].tolist() == [1.5, 2.25, 50.5]


@pytest.mark.parametrize(
    "name, recording",
    [("dive.labels.txt", "dive"), ("dive_labels.txt", "dive"), ("dive.txt", "dive"), ("labels.txt", "labels")],
)
def test_audacity_recording_from_the_name_of_the_file(tmp_path, name, recording):
    path = written(tmp_path / name, "1\t2\tcall\n")
    assert formats.read_audacity(path).events["recording"].tolist() == [recording]
    assert formats.read_audacity(path, recording="x").events["recording"].tolist() == ["x"]
    known = recordings_table(ids=("first",), paths=[f"s3://b/{recording}.flac"])
    assert formats.read_audacity(path, known).events["recording"].tolist() == ["first"]


@pytest.mark.parametrize(
    "lines, line, says",
    [
        ("2\t2\tpoint", 2, "marks a point of time: drag it to the length of the call in Audacity"),
        ("2.0\tpoint", 2, "marks a point of time"),
        ("2\t1\tcall", 2, "ends before it begins"),
        ("-2\t1\tcall", 2, "begins before its recording"),
        ("2\tx\tcall", 2, "has the end 'x', which is no number"),
        ("x\t2\tcall", 2, "has the begin 'x', which is no number"),
        ("2\t3\t", 2, "has no label: fill in its 'text' or give a default_label"),
        ("2\t3", 2, "has no label"),
        ("2\t3\tcall\thigh", 2, "has the score 'high', which is no number"),
        ("2\t3\tcall\t1\t2", 2, "has more than a label and a score: remove the tab that is too many"),
        ("2\t3\tcall\n\\\t9\tx", 2, "has the high 'x', which is no number"),
        ("2\t3\tcall\n\\\t9\t8", 2, "has its high below its low frequency"),
        ("2\t3\tcall\n\\\t9", 2, "is followed by a line that lacks its two frequencies: write the low and the high"),
        ("2\t3\tcall\n\\\t\t9", 2, "is followed by a line that lacks its two frequencies"),
        ("2", 2, "has the end '', which is no number"),
    ],
)
def test_a_bad_audacity_label_is_left_out_with_a_sentence(tmp_path, lines, line, says):
    found = read_audacity_text(tmp_path, f"1\t2\tgood\n{lines}\n5\t6\tgood\n")
    assert found.events["onset"].tolist() == [1.0, 5.0]
    assert len(found.problems) == 1
    assert f"tape_labels.txt, line {line}, {says}" in found.problems[0]


def test_stray_frequencies_are_said_and_cost_no_label(tmp_path):
    found = read_audacity_text(tmp_path, "\\\t1\t2\n1\t2\tcall\n\\\t3\t4\n\\\t5\t6\n")
    assert found.events[["low_hz", "high_hz"]].values.tolist() == [[3.0, 4.0]]
    assert "line 1, gives frequencies but follows no label: remove the line" in found.problems[0]
    assert "line 4, gives the label above it frequencies a second time" in found.problems[1]
    assert read_audacity_text(tmp_path, "1\t2\n", default_label="x").events["label"].tolist() == ["x"]


@pytest.mark.parametrize("text, says", [("a\tb\n", "is not an Audacity label file"), (b"1\t2\0", "is not a text file")])
def test_audacity_files_that_cannot_be_read(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        read_audacity_text(tmp_path, text)


@pytest.mark.parametrize(
    "rows, says",
    [
        ([{}, {"recording": "b"}], "would cover 2 recordings: write one label file for each"),
        ([{"truth": "possible"}], "1.5 s of recording 'a', which is not simply present: write a Raven or CSV table"),
        ([{"truth": "absent"}], "which is not simply present"),
        ([{"channel": 2}], "which is not in channel 1"),
        ([{"low_hz": -1.0}], "which has a frequency below zero"),
        ([{"high_hz": np.inf}], "whose high_hz is no sensible number"),
        ([{"score": -np.inf}], "whose score is no sensible number"),
        ([{"label": "a\tb"}], "cannot hold the label"),
    ],
)
def test_what_audacity_cannot_hold_is_refused(tmp_path, rows, says):
    with pytest.raises(InputError, match=says):
        formats.write_audacity(tmp_path / "out.txt", some_events(*rows))
    assert os.listdir(tmp_path) == []


# ---- BirdNET


def test_birdnet_as_birdnet_writes_it(tmp_path):
    text = (
        "Start (s),End (s),Scientific name,Common name,Confidence,File,lat,lon\n"
        "0.0,3.0,Megaptera novaeangliae,Humpback Whale,0.8432,/data/tape 1.wav,-1,-1\n"
        "3.0,6.0,Engine,Engine,0.1,C:\\data\\b.wav,-1,-1\n"
    )
    path = written(tmp_path / "x.BirdNET.results.csv", text)
    found = formats.read_birdnet(path)
    assert found.problems == []
    assert found.events[["recording", "onset", "offset", "label", "score", "truth"]].values.tolist() == [
        ["tape 1", 0.0, 3.0, "Megaptera novaeangliae_Humpback Whale", 0.8432, "present"],
        ["b", 3.0, 6.0, "Engine", 0.1, "present"],
    ]
    common = formats.read_birdnet(path, label_column="common name")
    assert common.events["label"].tolist() == ["Humpback Whale", "Engine"]
    known = recordings_table(ids=("one", "two"), paths=["s3://x/tape 1.wav", "b.flac"])
    assert formats.read_birdnet(path, known).events["recording"].tolist() == ["one", "two"]


def test_birdnet_is_written_as_birdnet_would(tmp_path):
    events = some_events({"label": "Megaptera novaeangliae_Humpback Whale", "score": 0.25}, {"label": "Engine"})
    formats.write_birdnet(tmp_path / "out.csv", events, recordings_table())
    assert (tmp_path / "out.csv").read_text() == (
        BIRDNET + "1.500000,2.500000,Megaptera novaeangliae,Humpback Whale,0.25,gs://bucket/a.wav\n"
        "1.500000,2.500000,Engine,Engine,,gs://bucket/a.wav\n"
    )
    formats.write_birdnet(tmp_path / "out.csv", some_events({"low_hz": 20.0, "channel": 2, "truth": "absent"}))
    assert (tmp_path / "out.csv").read_text() == (
        BIRDNET[:-1] + ",Low Freq (Hz),High Freq (Hz),Channel,Truth\n"
        "1.500000,2.500000,call,call,,a.wav,20.000,,2,absent\n"
    )


@pytest.mark.parametrize(
    "cells, label",
    [
        ("Sci,Com", "Sci_Com"),
        ("Sci,", "Sci"),
        (",Com", "Com"),
        ("Same,Same", "Same"),
        ("a_b,c", "a_b_c"),
        ('"a, b",c', "a, b_c"),
    ],
)
def test_the_label_of_two_names(tmp_path, cells, label):
    path = written(tmp_path / "a.csv", BIRDNET + f"0,3,{cells},0.5,\n")
    found = formats.read_birdnet(path)
    assert found.events[["recording", "label"]].values.tolist() == [["a", label]]
    formats.write_birdnet(tmp_path / "b.csv", found.events)
    assert formats.read_birdnet(tmp_path / "b.csv").events["label"].tolist() == [label]


@pytest.mark.parametrize(
    "row, says",
    [
        ("0,x,S,C,0.5,a.wav", "has the end 'x', which is no number"),
        ("3,0,S,C,0.5,a.wav", "ends before it begins"),
        ("0,3,,,0.5,a.wav", "has no label: fill in its 'Common name' or give a default_label"),
        ("0,3,S,C,sure,a.wav", "has the score 'sure', which is no number"),
        ("0,3,S,C,0.5,a.wav,more", "has more cells than the header"),
        ('0,3,"S,C,0.5,a.wav', "has fewer cells than the header: check its quotation marks"),
    ],
)
def test_a_bad_birdnet_row_is_left_out_with_a_sentence(tmp_path, row, says):
    found = formats.read_birdnet(written(tmp_path / "a.csv", BIRDNET + row + "\n7,8,S,C,0.5,a.wav\n"))
    assert found.events["onset"].tolist() == [7.0]
    assert len(found.problems) == 1
    assert f"a.csv, line 2, {says}" in found.problems[0]


@pytest.mark.parametrize(
    "read, text, keywords, says",
    [
        ("birdnet", "a,b\n1,2\n", {}, "is not a BirdNET table, it lacks the column 'Start"),
        ("birdnet", "Start (s),End (s)\n1,2\n", {}, "lacks the column 'Common name'"),
        ("birdnet", BIRDNET + "1,2,S,C,,\n", {"label_column": "Kind"}, "lacks the label column 'Kind'"),
        ("birdnet_raven", RAVEN + "1\t2\tx\t\n", {}, "is not a Raven selection table of BirdNET"),
        ("birdnet_raven", BIRDNET_RAVEN + "1\n", {"label_column": "Kind"}, "lacks the label column 'Kind'"),
        ("birdnet_raven", "a\tb\n1\t2\n", {}, "is not a Raven selection table"),
    ],
)
def test_birdnet_files_that_cannot_be_read(tmp_path, read, text, keywords, says):
    with pytest.raises(InputError, match=says):
        formats.READERS[read](written(tmp_path / "a.csv", text), **keywords)


ROW = "{}\tSpectrogram 1\t1\t{}\t{}\t0\t1000\t{}\t{}\t0.8432\t/data/{}.wav\t{}\n"


def test_birdnet_raven_as_birdnet_writes_it(tmp_path):
    text = BIRDNET_RAVEN + ROW.format(1, 3.0, 6.0, "Humpback Whale", "humwha", "a", 3.0)
    text += ROW.format(2, 903.0, 906.0, "Blue", "Balaenoptera musculus_Blue", "b", 3.0)
    path = written(tmp_path / "x.txt", text)
    found = formats.read_birdnet_raven(path)
    assert found.problems == []
    assert found.events[["recording", "onset", "offset", "low_hz", "high_hz", "label", "score"]].values.tolist() == [
        ["a", 3.0, 6.0, 0.0, 1000.0, "Humpback Whale", 0.8432],
        ["b", 3.0, 6.0, 0.0, 1000.0, "Balaenoptera musculus_Blue", 0.8432],
    ]
    codes = formats.read_birdnet_raven(path, label_column="Species Code")
    assert codes.events["label"].tolist() == ["humwha", "Balaenoptera musculus_Blue"]


def test_birdnet_raven_is_written_as_birdnet_would(tmp_path):
    events = some_events({"label": "Balaenoptera musculus_Blue", "score": 0.5}, {"recording": "b", "truth": "possible"})
    formats.write_birdnet_raven(tmp_path / "out.txt", events, recordings_table())
    header, first, second = (tmp_path / "out.txt").read_text().splitlines()
    assert header == BIRDNET_RAVEN[:-1] + "\tTruth"
    begin, end = "1.500000000", "2.500000000"
    name = "Blue\tBalaenoptera musculus_Blue"
    box = "0.000\t1000.000"
    assert first == f"1\tSpectrogram 1\t1\t{begin}\t{end}\t{box}\t{name}\t0.5\tgs://bucket/a.wav\t{begin}\tpresent"
    assert second.split("\t")[3] == "901.500000000"
    assert second.split("\t")[7:] == ["call", "call", "", "gs://bucket/b.wav", begin, "possible"]


def test_the_row_that_says_that_nothing_was_found_is_no_event(tmp_path):
    path = written(tmp_path / "x.txt", BIRDNET_RAVEN + ROW.format(1, 0, 3, "nocall", "nocall", "a", 0))
    found = formats.read_birdnet_raven(path)
    assert_frame_equal(found.events, tables.empty(tables.EVENTS))
    assert found.problems == []
    with pytest.raises(InputError, match="whose label 'nocall' means in a BirdNET table that there is no event"):
        formats.write_birdnet_raven(path, some_events({"label": "nocall"}))


def test_a_bad_birdnet_raven_row_is_left_out_with_a_sentence(tmp_path):
    text = BIRDNET_RAVEN + ROW.format(1, 3, 1, "A", "b", "a", 3) + ROW.format(2, 3, 6, "", "humwha", "a", 3)
    found = formats.read_birdnet_raven(written(tmp_path / "x.txt", text))
    assert found.events.empty
    assert "x.txt, line 2, ends before it begins" in found.problems[0]
    assert "x.txt, line 3, has no label: fill in its 'Common Name'" in found.problems[1]


@pytest.mark.parametrize("kind", ["birdnet", "birdnet_raven"])
@pytest.mark.parametrize(
    "rows, recordings, says",
    [
        ([{"label": "a\nb"}], None, "cannot hold the label"),
        ([{"recording": "x/a"}], None, "cannot name the file"),
        ([{}, {"recording": "b"}], recordings_table(paths=["x.wav", "x.wav"]), "two files of the same name"),
        ([{"recording": "c"}], recordings_table(), "names a missing recording"),
    ],
)
def test_what_birdnet_cannot_hold_is_refused(tmp_path, kind, rows, recordings, says):
    with pytest.raises(InputError, match=says):
        formats.WRITERS[kind](tmp_path / "out", some_events(*rows), recordings)
    assert os.listdir(tmp_path) == []


# ---- the plain tables


def test_plain_csv_is_what_it_looks_like(tmp_path):
    events = some_events({"onset": 0.1 + 0.2, "label": ' a "b",', "score": -0.0}, {"truth": "absent"})
    events["mine"] = [True, False]
    formats.write_csv(tmp_path / "out.csv", events)
    text = (tmp_path / "out.csv").read_bytes().decode()
    assert text == (
        EVENTS_HEADER[:-1] + ",mine\n"
        'a,0.30000000000000004,2.5,,," a ""b"",",present,-0.0,1,True\n'
        "a,1.5,2.5,,,call,absent,,1,False\n"
    )
    found = formats.read_csv(tmp_path / "out.csv")
    assert_frame_equal(found.events, events, check_exact=True)
    assert np.signbit(found.events["score"][0])


def test_plain_csv_from_another_hand(tmp_path):
    header = "mine, Label,label,recording,onset,offset,low_hz,high_hz,truth,score,channel\n"
    text = b"\xef\xbb\xbf" + (header + "x,y,call,a, 1,2.0,NaN,inf,present,,1.0\n\n").replace("\n", "\r\n").encode()
    found = formats.read_csv(written(tmp_path / "a.csv", text))
    assert found.problems == []
    assert list(found.events) == [*tables.EVENTS, "mine", "Label"]
    assert found.events.loc[0, ["onset", "high_hz", "channel", "mine", "Label"]].tolist() == [1.0, np.inf, 1, "x", "y"]


@pytest.mark.parametrize(
    "cells, values",
    [
        (["1", "2"], [1, 2]),
        (["1", ""], ["1", None]),  # 1.0 would be written again in another way
        (["01", "2"], ["01", "2"]),
        (["1.5", ""], [1.5, np.nan]),
        (["1.50", "2.5"], ["1.50", "2.5"]),
        (["inf", "-inf"], [np.inf, -np.inf]),
        (["nan", "1.5"], ["nan", "1.5"]),
        (["True", "False"], [True, False]),
        (["True", ""], ["True", None]),
        (["", ""], [np.nan, np.nan]),
        (["9" * 30, "1"], ["9" * 30, "1"]),
    ],
)
def test_a_column_of_ones_own_is_read_so_that_it_is_written_alike(tmp_path, cells, values):
    rows = "".join(f"a,1.0,2.0,,,x,present,,1,{cell}\n" for cell in cells)
    path = written(tmp_path / "a.csv", EVENTS_HEADER[:-1] + ",mine\n" + rows)
    found = formats.read_csv(path).events
    assert_frame_equal(found[["mine"]], pd.DataFrame({"mine": values}))
    formats.write_csv(tmp_path / "b.csv", found)
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", [EVENTS_HEADER, None])
def test_a_plain_table_without_rows(tmp_path, text):
    path = tmp_path / "a.csv"
    if text is None:
        formats.write_csv(path, tables.empty(tables.EVENTS))
    else:
        path.write_text(text)
    assert path.read_text() == EVENTS_HEADER
    assert_frame_equal(formats.read_csv(path).events, tables.empty(tables.EVENTS))
    formats.write_parquet(path, tables.empty(tables.EVENTS))
    assert_frame_equal(formats.read_parquet(path).events, tables.empty(tables.EVENTS))


@pytest.mark.parametrize(
    "row, says",
    [
        ("a,1,x,,,c,present,,1", "has the offset 'x', which is no number: write it like 12.345"),
        ("a,1,2,,,c,present,1_0,1", "has the score '1_0', which is no number"),
        ("a,1,2,,,c,present,,1.5", "has the channel '1.5': write a whole number"),
        ("a,1,2,,,c,present,,", "has the channel ''"),
        ("a,1,2,,,c,present,,99999999999999999999", "has the channel '99999999999999999999'"),
        ("a,1,2,,,c,present,,9e999", "has the channel '9e999'"),
        ("a,1,2,,,c,present,", "has 8 cells under 9 columns: give it one for each column"),
        ("a,1,2,,,c,present,,1,", "has 10 cells under 9 columns"),
        ('a,1,2,,,"c,present,,1', "has 6 cells under 9 columns"),
        ("a,2,1,,,c,present,,1", "ends before it begins"),
        ("a,1,,,,c,present,,1", "has no onset or offset"),
        ("a,1,inf,,,c,present,,1", "has no end"),
        ("a,1,2,9,8,c,present,,1", "has its high below its low frequency"),
        ("a,1,2,,,,present,,1", "has no recording or no label"),
        (",1,2,,,c,present,,1", "has no recording: name it"),
        ("a,1,2,,,c,,,1", "has an unknown truth: use one of present, possible, absent"),
        ("z,1,2,,,c,present,,1", "names a missing recording"),
        ("a,1,2000,,,c,present,,1", "ends after its recording"),
    ],
)
def test_a_bad_row_of_a_plain_table_is_left_out_with_a_sentence(tmp_path, row, says):
    path = written(tmp_path / "a.csv", EVENTS_HEADER + row + "\na,3,4,,,c,present,,1\n")
    found = formats.read_csv(path, recordings_table())
    assert found.events["onset"].tolist() == [3.0]
    assert len(found.problems) == 1
    assert f"a.csv, line 2, {says}" in found.problems[0]


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        (
            "onset,offset\n1,2\n",
            "a.csv lacks the column 'recording': a table of events has the columns recording, onset",
        ),
        (EVENTS_HEADER.replace("truth", "truht"), "a.csv lacks the column 'truth'"),
        (EVENTS_HEADER[:-1] + ",label\n", "a.csv has two columns 'label': rename one of them"),
        (b"PAR1\0", "is not a text file"),
    ],
)
def test_plain_files_that_cannot_be_read(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        formats.read_csv(written(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    "events, says",
    [
        (some_events({"label": "a\nb"}), r"cannot hold the text 'a\\nb': take out its line breaks, or write Parquet"),
        (some_events().assign(**{"my\nname": 1}), "cannot hold the text"),
        (some_events().assign(**{" mine": 1}), "cannot hold the text ' mine'"),
        (some_events().assign(mine="x" * 200_000), "cannot hold the text 'xxx"),
        (some_events().assign(**{"1": 1}).assign(**{"x": 2}).rename(columns={"x": 1}), "two columns of the same name"),
        (some_events().assign(offset=0.5), "ends before it begins"),
        (some_events().drop(columns="truth"), "lacks the column 'truth'"),
    ],
)
def test_what_plain_csv_cannot_hold_is_refused(tmp_path, events, says):
    with pytest.raises(InputError, match=says):
        formats.write_csv(tmp_path / "out.csv", events)
    assert os.listdir(tmp_path) == []


def test_parquet_holds_line_breaks_and_refuses_mixtures(tmp_path):
    events = some_events({"label": "a\nb"}).assign(when=pd.Timestamp("2009-03-28", tz="UTC").as_unit("ms"))
    formats.write_parquet(tmp_path / "out.parquet", events)
    assert_frame_equal(formats.read_parquet(tmp_path / "out.parquet").events, events)
    with pytest.raises(InputError, match="cannot hold the column 'mine' .*: give it values of one kind"):
        formats.write_parquet(tmp_path / "new.parquet", some_events({}, {}).assign(mine=[1, "x"]))
    twice = some_events().assign(**{"1": 1, "x": 2}).rename(columns={"x": 1})
    with pytest.raises(InputError, match="two columns of the same name"):
        formats.write_parquet(tmp_path / "new.parquet", twice)
    assert os.listdir(tmp_path) == ["out.parquet"]


def parquet(path, frame, **types):
    import pyarrow as pa
    from pyarrow import parquet as files

    table = pa.table({name: pa.array(list(frame[name]), types.get(name), from_pandas=True) for name in frame})
    files.write_table(table, path)
    return path


def test_parquet_from_another_hand(tmp_path):
    import pyarrow as pa

    frame = some_events({}, {"onset": 3.0, "offset": 2.0}, {}, {})
    frame["channel"] = [1.0, 1.0, 1.5, np.nan]
    path = parquet(
        tmp_path / "a.parquet", frame, onset=pa.float32(), low_hz=pa.null(), label=pa.dictionary(pa.int8(), pa.string())
    )
    found = formats.read_parquet(path, recordings_table())
    assert_frame_equal(found.events, some_events())
    assert [sentence.split("a.parquet, ")[1] for sentence in found.problems] == [
        "row 2, ends before it begins: swap its begin and end times.",
        "row 3, has a channel that is no whole number: channels are numbered 1, 2, 3.",
        "row 4, has a channel that is no whole number: channels are numbered 1, 2, 3.",
    ]


WRONG = {"bool": True, "list": [1.0], "struct": {"a": 1}, "binary": b"x", "time": pd.Timestamp("2009"), "text": "x"}


@pytest.mark.parametrize("column", list(tables.EVENTS))
@pytest.mark.parametrize("kind", [*WRONG, "number", "null"])
def test_parquet_columns_of_a_wrong_kind(tmp_path, column, kind):
    frame = some_events().astype(object)
    frame.at[0, column] = {**WRONG, "number": 1.0, "null": None}[kind]
    path = parquet(tmp_path / "a.parquet", frame)
    right = "text" if tables.EVENTS[column] == "str" else "number"
    if kind == right or (kind == "null" and tables.EVENTS[column] == "float64"):
        formats.read_parquet(path)
    else:
        with pytest.raises(InputError, match=f"a.parquet has .* in its column '{column}': write it again as "):
            formats.read_parquet(path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 9, EVENTS_HEADER.encode(), b"\0" * 99])
def test_what_is_no_parquet_file(tmp_path, data):
    with pytest.raises(InputError, match="a.parquet cannot be read as Parquet .*: write it again") as caught:
        formats.read_parquet(written(tmp_path / "a.parquet", data))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="none.parquet cannot be read"):
        formats.read_recordings(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="lacks the column 'recording': a table of events"):
        formats.read_parquet(parquet(tmp_path / "a.parquet", pd.DataFrame({"x": [1]})))


def test_recordings_are_written_plainly(tmp_path):
    recordings = recordings_table(starts=["2009-03-28T00:15:00.5", None])
    formats.write_recordings(tmp_path / "r.csv", recordings)
    assert (tmp_path / "r.csv").read_text() == (
        RECORDINGS_HEADER + "a,gs://bucket/a.wav,2009-03-28T00:15:00.500000+00:00,900.0,2000,1,site\n"
        "b,gs://bucket/b.wav,,900.0,2000,1,site\n"
    )


@pytest.mark.parametrize(
    "start, utc",
    [
        ("2009-03-28", "2009-03-28T00:00"),
        ("2009-03-28 01:02", "2009-03-28T01:02"),
        ("2009-03-28T01:02:03Z", "2009-03-28T01:02:03"),
        ("2009-03-28T01:02:03.123456789-05:00", "2009-03-28T06:02:03.123456789"),
    ],
)
def test_starts_of_recordings(tmp_path, start, utc):
    path = written(tmp_path / "r.csv", RECORDINGS_HEADER + f"a,a.wav,{start},1.5,2000,1,x\n")
    assert formats.read_recordings(path)["start"].tolist() == [pd.Timestamp(utc, tz="UTC")]


@pytest.mark.parametrize(
    "text, says",
    [
        (RECORDINGS_HEADER + "a,a.wav,yesterday,1,2000,1,x\n", "line 2, has the start 'yesterday', which is no time"),
        (RECORDINGS_HEADER + "a,a.wav,2009-13-01,1,2000,1,x\n", "has the start '2009-13-01', which is no time"),
        (RECORDINGS_HEADER + "a,a.wav,9999-01-01,1,2000,1,x\n", "has the start '9999-01-01', which is no time"),
        (RECORDINGS_HEADER + "a,a.wav,,1,2000.5,1,x\n", "line 2, has the sample_rate '2000.5'"),
        (RECORDINGS_HEADER + "a,a.wav,,,2000,1,x\n", "r.csv, row 1 of recording 'a', has no duration"),
        (RECORDINGS_HEADER + "a,a,,1,2000,1,x\n" * 2, "r.csv, row 2 of recording 'a', gives a recording twice"),
        (RECORDINGS_HEADER + ",a,,1,2000,1,x\n", "line 2, has no recording"),
        (RECORDINGS_HEADER.replace("group", "site"), "r.csv lacks the column 'group': a table of recordings"),
    ],
)
def test_recordings_that_cannot_be_read(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        formats.read_recordings(written(tmp_path / "r.csv", text))


# ---- reviewed Raven tables


WORDS = {"n": "absent", "c": "present", "u": "possible"}


def read_reviewed(tmp_path, cells, scores=None, **keywords):
    header = RAVEN if scores is None else RAVEN[:-1] + "\tScore\n"
    scores = [""] * len(cells) if scores is None else ["\t" + score for score in scores]
    rows = [f"{at}\t{at + 1}\tcall\t{verdict}" for at, verdict in enumerate(cells)]
    rows = [row + score + "\n" for row, score in zip(rows, scores, strict=True)]
    path = written(tmp_path / "a.txt", header + "".join(rows))
    return formats.read_raven(path, **{"verdict_column": "Verdict", "verdicts": WORDS, **keywords})


@pytest.mark.parametrize("default", ["present", "absent", "possible"])
def test_verdicts_are_truths_and_numbers_are_scores(tmp_path, default):
    found = read_reviewed(tmp_path, ["n", "C", " u ", "0.75", "", "NaN"], default_truth=default)
    assert len(found.problems) == 1
    assert "line 7, has the unknown verdict 'NaN': use one of n, c, u, a score, or nothing" in found.problems[0]
    assert found.events["truth"].tolist() == ["absent", "present", "possible", default, default]
    np.testing.assert_array_equal(found.events["score"], [np.nan, np.nan, np.nan, 0.75, np.nan])


def test_a_score_column_comes_before_the_number_among_the_verdicts(tmp_path):
    found = read_reviewed(tmp_path, ["0.75", "0.75", "n"], ["0.5", "", "0.25"])
    assert found.events["score"].tolist() == [0.5, 0.75, 0.25]
    assert found.events["truth"].tolist() == ["present", "present", "absent"]


def test_verdicts_without_words_are_truths(tmp_path):
    found = read_reviewed(tmp_path, ["Absent", "possible", ""], verdicts=None)
    assert found.events["truth"].tolist() == ["absent", "possible", "present"]
    marked = read_reviewed(tmp_path, ["", "1", "0.5"], verdicts={"": "possible", "1": "absent"})
    assert marked.events["truth"].tolist() == ["possible", "absent", "present"]


def test_a_verdict_comes_before_the_truth_of_the_table(tmp_path):
    text = RAVEN[:-1] + "\tTruth\n1\t2\tcall\tn\tpossible\n2\t3\tcall\t\tpossible\n3\t4\tcall\t\t\n"
    path = written(tmp_path / "a.txt", text)
    keywords = {"verdict_column": "verdict", "verdicts": WORDS, "default_truth": "absent"}
    assert formats.read_raven(path, **keywords).events["truth"].tolist() == ["absent", "possible", "absent"]


@pytest.mark.parametrize(
    "keywords, says",
    [
        ({"verdicts": {"n": "noise"}}, "'noise' is no truth: verdicts and default_truth are of present, possible"),
        ({"default_truth": "noise"}, "'noise' is no truth"),
        ({"verdict_column": "Comment"}, "lacks the verdict column 'Comment': name one of its columns .*'Verdict'"),
        ({"verdict_column": None}, "verdicts were given without a verdict_column"),
    ],
)
def test_verdicts_that_make_no_sense(tmp_path, keywords, says):
    with pytest.raises(InputError, match=says):
        read_reviewed(tmp_path, ["n"], **keywords)


NAMES = ["Samana_PU194_20090111_003000", "Samana_PU194", "tape", "tape_03"]


@pytest.mark.parametrize(
    "table, recording",
    [
        ("Samana_PU194_20090111_003000_annot_2022-11-24_17_allnoise.txt", "Samana_PU194_20090111_003000"),
        ("Samana_PU194_20090112_003000_annot.txt", "Samana_PU194"),
        ("tape.Table.1.selections.txt", "tape"),
        ("tape_03.txt", "tape_03"),
        ("tape_03 reviewed.selections.txt", "tape_03"),
        ("tape_03.reviewed.txt", "tape_03"),
        ("tape_031.txt", "tape"),
        ("tapes_03.txt", "tapes_03"),  # none: as it is named
        ("other_tape.txt", "other_tape"),
        ("tape_03.BirdNET.selection.table.txt", "tape_03"),
        ("tape_03.BirdNET.results.csv", "tape_03"),
    ],
)
def test_the_recording_that_a_table_is_named_after(table, recording):
    recordings = recordings_table(ids=NAMES)
    assert formats.recording_of_table(table, recordings) == recording
    assert formats.recording_of_table(Path("x") / table, recordings.iloc[::-1]) == recording


def test_an_ambiguous_name_of_a_table_stays_as_it_is():
    recordings = recordings_table(ids=["one", "two", "tape"], paths=["x/tape_1.wav", "y/tape_1.wav", "z.wav"])
    assert formats.recording_of_table("tape_1_calls.txt", recordings) == "tape_1_calls"
    assert formats.recording_of_table("tape_1.txt", recordings) == "tape_1"
    assert formats.recording_of_table("z calls.txt", recordings) == "tape"
    assert formats.recording_of_table("one_x.txt", recordings) == "one"


def test_read_raven_knows_the_recording_by_its_name(tmp_path):
    path = written(tmp_path / "tape_03_calls.txt", RAVEN + "1\t2\tcall\t\n")
    assert formats.read_raven(path, recordings_table(ids=NAMES)).events["recording"].tolist() == ["tape_03"]
    assert formats.read_raven(path).events["recording"].tolist() == ["tape_03_calls"]


# ---- whatever the file, an event or a sentence


FUZZED = {
    "audacity": (formats.write_audacity, formats.read_audacity),
    "birdnet": (formats.write_birdnet, lambda path: formats.read_birdnet(path, recordings_table())),
    "birdnet_raven": (formats.write_birdnet_raven, lambda path: formats.read_birdnet_raven(path, recordings_table())),
    "csv": (formats.write_csv, lambda path: formats.read_csv(path, recordings_table())),
    "parquet": (formats.write_parquet, lambda path: formats.read_parquet(path, recordings_table())),
    "reviewed": (
        lambda path, events: formats.write_raven(path, events.assign(label=["n", "0.5", "u"])),
        lambda path: formats.read_raven(path, verdict_column="Annotation", verdicts=WORDS),
    ),
}


@pytest.mark.parametrize("kind", sorted(FUZZED))
def test_mutants_are_read_or_refused(tmp_path, kind):
    write, read = FUZZED[kind]
    path = tmp_path / "a.txt"
    events = [{"score": 0.5, "low_hz": 1.0}, {"label": "S_C", "onset": 2.0}, {"label": "x", "score": 0.25}]
    write(path, some_events(*events))
    refused = partial = 0
    for data in mutants(path.read_bytes(), 150):
        path.write_bytes(data)
        try:
            found = read(path)
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert all("\n" not in sentence for sentence in found.problems)
            tables.check_events(found.events)
            partial += bool(found.problems)
    assert refused
    assert partial or kind == "parquet"  # its checksums find what was changed


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_mutants_of_recordings_are_read_or_refused(tmp_path, ending):
    path = tmp_path / f"r.{ending}"
    formats.write_recordings(path, recordings_table(starts=["2009-03-28T00:15:00.5", None]))
    refused = 0
    for data in mutants(path.read_bytes(), 100):
        path.write_bytes(data)
        try:
            tables.check_recordings(formats.read_recordings(path))
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused


@pytest.mark.parametrize("name", sorted(formats.READERS))
def test_paths_that_cannot_be_used(tmp_path, name):
    for path in (tmp_path / "none.txt", tmp_path, str(tmp_path / "a\0b")):
        with pytest.raises(InputError, match="cannot be read"):
            formats.READERS[name](path, recordings_table())
    recordings = recordings_table(starts=["2009-03-28T00:00:00", "2009-03-28T00:15:00"])
    for path in (tmp_path / "none" / "a.txt", str(tmp_path / "a\0b")):
        with pytest.raises(InputError, match="cannot be written"):
            formats.WRITERS[name](path, some_events(), recordings)
    assert os.listdir(tmp_path) == []


# ---- real files


def test_real_reviewed_tables(real_data):
    paths = sorted((real_data / "humpback" / "raven").glob("*.txt"))
    audio = sorted((real_data / "humpback" / "audio").glob("*.wav"))
    recordings = recordings_table(ids=[path.stem for path in audio], paths=[str(path) for path in audio], seconds=605.0)
    assert len(paths) == len(audio) == 9
    truths = {"allcalls": "present", "allnoise": "absent"}
    found = []
    for path, file in zip(paths, audio, strict=True):
        read = formats.read_raven(
            path,
            recordings,
            default_label="humpback",
            verdict_column="Prediction/Comments",
            verdicts=WORDS,
            default_truth=truths[path.stem.rsplit("_", 1)[1]],
        )
        assert read.problems == []
        assert len(read.events) == (len(path.read_text().splitlines()) - 1) / 2
        assert set(read.events["recording"]) == {file.stem}
        # A row has a score or a verdict, and a verdict is what the cells of its spectrogram row say.
        cells = [line.split("\t") for line in path.read_text().splitlines()[1:]]
        words = [row[-1].strip() for row in cells if row[1].startswith("Spec")]
        assert [word in WORDS for word in words] == read.events["score"].isna().tolist()
        assert [WORDS[word] for word in words if word in WORDS] == read.events["truth"][
            read.events["score"].isna()
        ].tolist()
        found.append(read.events)
    events = pd.concat(found, ignore_index=True)
    tables.check_events(events, recordings)
    verdicts = events[events["score"].isna()]["truth"].value_counts()
    assert verdicts.to_dict() == {"absent": 28, "possible": 11, "present": 1}


# ---- what a scan found, in every format by one call


def test_one_call_writes_every_kind_and_each_reads_back(tmp_path):
    recordings = recordings_table(("a", "b", "c"), starts=[f"2009-03-28T0{k}:00:00" for k in range(3)])
    box = {"low_hz": 50.0, "high_hz": 120.0, "score": 0.75}
    events = some_events({**box}, {**box, "onset": 3.0, "offset": 4.0, "label": "moan"}, {**box, "recording": "c"})
    kinds = ("raven", "raven_all", "audacity", "csv", "parquet", "noaa")
    paths = formats.write_detections(tmp_path / "new", events, recordings, kinds)
    assert [p.relative_to(tmp_path / "new").as_posix() for p in paths] == [
        *(f"raven/{name}.selections.txt" for name in "abc"), "detections.selections.txt",
        *(f"audacity/{name}.labels.txt" for name in "abc"),
        "detections.csv", "detections.parquet", "detections.noaa.csv",
    ]  # fmt: skip
    readers = {"raven": "raven", "detections.selections": "raven", "audacity": "audacity", "detections.csv": "csv",
               "detections.parquet": "parquet", "detections.noaa": "noaa"}  # fmt: skip
    for start, kind in readers.items():
        mine = [p for p in paths if p.relative_to(tmp_path / "new").as_posix().startswith(start)]
        read = [formats.READERS[kind](path, recordings) for path in mine]
        assert not any(r.problems for r in read)
        back = pd.concat([r.events for r in read if len(r.events)], ignore_index=True)
        assert_frame_equal(back[list(tables.EVENTS)], events, check_dtype=False)
    assert (tmp_path / "new/raven/b.selections.txt").read_text().count("\n") == 1  # analysed, and nothing was found


def test_what_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="one of raven, raven_all, audacity, csv, parquet, noaa"):
        formats.write_detections(tmp_path, some_events(), recordings_table(), ["xls"])
    with pytest.raises(InputError, match="'z', which is not among the recordings"):
        formats.write_detections(tmp_path, some_events({"recording": "z"}), recordings_table())
