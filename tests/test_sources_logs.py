"""Folders of selection tables, detection logs and label files, in the layouts that people have."""

import os
import shutil

import layouts_logs as make
import pandas as pd
import pytest

from whalelib import clips, formats, sources, tables
from whalelib.errors import InputError
from whalelib.sources import annotations, dclde2013
from whalelib.sources.clock import start_from_name


def rows_of(survey, *columns):
    columns = columns or ("recording", "onset", "offset", "label", "truth")
    return [tuple(row) for row in survey.events[list(columns)].itertuples(index=False)]


# ---------------------------------------------------------------- times in names


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("NOPP6_EST_20090328_001500_CH10", "2009-03-28T00:15:00Z"),
        ("Samana_PU194_20090111_003000", "2009-01-11T00:30:00Z"),
        ("MARS-20161221T003000Z-16kHz", "2016-12-21T00:30:00Z"),
        ("ICLISTENHF1353_20190101T000459.123Z", "2019-01-01T00:04:59Z"),
        ("5678.200315123000", "2020-03-15T12:30:00Z"),
        ("67391492.181017070000.x", "2018-10-17T07:00:00Z"),
        ("20200315-123000", "2020-03-15T12:30:00Z"),
        ("20200315123000", "2020-03-15T12:30:00Z"),
        ("CINMS17B_d03_120712_123730", "2012-07-12T12:37:30Z"),
        ("site_2009-03-28_00-15-00", "2009-03-28T00:15:00Z"),
        ("2009-03-28T00.15.00Z", "2009-03-28T00:15:00Z"),
        # The first number that is a date counts: a serial number before it does not.
        ("99999999_999999_20090328_001500", "2009-03-28T00:15:00Z"),
    ],
)
def test_the_time_in_a_name_is_found_as_recorders_write_it(name, start):
    assert start_from_name(name) == pd.Timestamp(start)


@pytest.mark.parametrize("name", ["tape7", "20090328", "20091399_000000", "1234567890123456", "5678.201315123000", ""])
def test_a_name_without_a_time_has_none(name):
    assert pd.isna(start_from_name(name))


@pytest.mark.parametrize(
    ("name", "zone", "start"),
    [
        ("A_20090328_001500", "UTC-5", "2009-03-28T05:15:00Z"),
        ("A_20090328_001500", "America/New_York", "2009-03-28T04:15:00Z"),  # summer time
        ("A_20090301_001500", "America/New_York", "2009-03-01T05:15:00Z"),
        ("A_20090328T001500Z", "America/New_York", "2009-03-28T00:15:00Z"),  # Z is UTC everywhere
        ("A_20091101_013000", "America/New_York", "2009-11-01T05:30:00Z"),  # the first of two
        ("5678.200315123000", "+05:30", "2020-03-15T07:00:00Z"),
    ],
)
def test_a_time_in_a_name_is_one_of_the_zone(name, zone, start):
    assert start_from_name(name, zone) == pd.Timestamp(start)


def test_an_unknown_zone_is_one_sentence():
    with pytest.raises(InputError, match="'Mars/Base' is no time zone"):
        start_from_name("A_20090328_001500", "Mars/Base")


def test_the_group_is_the_day_in_the_zone_of_the_names(tmp_path):
    make.sound(tmp_path / "A_20090328_235959.wav")
    make.selections(tmp_path / "A_20090328_235959.txt", (1, 2, "call"))
    (recording,) = sources.load("raven", tmp_path, zone="UTC-5").recordings.itertuples()
    assert recording.group == "2009-03-28" and recording.start == pd.Timestamp("2009-03-29T04:59:59Z")


# ---------------------------------------------------------------- selection tables


REVIEWED = {"default_label": "humpback", "verdict_column": "Prediction/Comments", "absent_tables": ["allnoise"]}


def test_a_reviewers_marks_are_the_truth_and_other_rows_are_what_their_table_collects(tmp_path):
    survey = sources.load("raven", make.detector_reviews(tmp_path), **REVIEWED)
    noise, calls = "Bay_PU194_20090111_003000", "Bay_PU194_20090111_101000"
    assert rows_of(survey) == [
        (noise, 0.0, 4.0, "humpback", "absent"),
        (noise, 8.0, 12.0, "humpback", "absent"),
        (noise, 16.0, 20.0, "humpback", "present"),
        (calls, 0.0, 4.0, "humpback", "present"),
        (calls, 4.0, 8.0, "humpback", "possible"),
        (calls, 8.0, 12.0, "humpback", "absent"),
        (calls, 12.0, 16.0, "humpback", "present"),
        (calls, 27.0, 30.0, "humpback", "present"),
    ]
    assert survey.exhaustive is False
    (cut,) = survey.problems
    assert cut == (
        f"the event 'humpback' at 27.00 s of {calls!r} runs past the end of its recording and was cut there: check "
        "that its table is about this recording."
    )


def test_without_a_verdict_column_every_row_is_a_call(tmp_path):
    survey = sources.load("raven", make.detector_reviews(tmp_path), default_label="humpback")
    assert list(survey.events["truth"]) == ["present"] * 8


def test_verdicts_may_have_words_of_their_own(tmp_path):
    make.sound(tmp_path / "a.wav", 30)
    make.reviewed(tmp_path / "a.txt", (0, "ja"), (5, "nein"), (10, "was?"), (15, "absent"))
    verdicts = {"ja": "present", "nein": "absent"}
    words = {"default_label": "x", "verdict_column": "Prediction/Comments"}
    survey = sources.load("raven", tmp_path, verdicts=verdicts, **words)
    assert rows_of(survey, "onset", "truth") == [(0.0, "present"), (5.0, "absent")]
    assert ["was?" in survey.problems[0], "absent" in survey.problems[1]] == [True, True]
    make.reviewed(tmp_path / "a.txt", (0, "present"), (5, "ABSENT"), (10, "possible"), (15, "N"))
    survey = sources.load("raven", tmp_path, **words)
    assert list(survey.events["truth"]) == ["present", "absent", "possible", "absent"] and not survey.problems


@pytest.mark.parametrize(
    ("possible", "truths"),
    [
        ("keep", ["absent", "absent", "present", "present", "possible", "absent", "present", "present"]),
        ("drop", ["absent", "absent", "present", "present", "absent", "present", "present"]),
        ("present", ["absent", "absent", "present", "present", "present", "absent", "present", "present"]),
    ],
)
def test_hedged_calls_are_kept_dropped_or_taken_for_calls(tmp_path, possible, truths):
    survey = sources.load("raven", make.detector_reviews(tmp_path), possible=possible, **REVIEWED)
    assert list(survey.events["truth"]) == truths


@pytest.mark.parametrize("source", ["raven", "noaa_log", "dclde2013"])
def test_a_choice_for_hedged_calls_that_does_not_exist_is_refused(tmp_path, source):
    with pytest.raises(InputError, match="possible cannot be 'maybe': it is one of keep, drop, present"):
        sources.load(source, tmp_path, possible="maybe")


def test_a_table_with_extra_words_is_about_the_longest_name_it_begins_with(tmp_path):
    for name in ("tape", "tape_2", "tape_22"):
        make.sound(tmp_path / f"{name}.wav")
    make.selections(tmp_path / "tape_2_reviewed_by_ann.txt", (1, 2, "a"))
    make.selections(tmp_path / "tape.Table.1.selections.txt", (2, 3, "b"))
    make.selections(tmp_path / "tape_22.txt", (3, 4, "c"))
    survey = sources.load("raven", tmp_path)
    assert rows_of(survey, "recording", "label") == [("tape", "b"), ("tape_22", "c"), ("tape_2", "a")]
    assert survey.problems == []


def test_several_tables_of_one_recording_are_one_and_what_they_repeat_counts_once(tmp_path):
    make.sound(tmp_path / "a.wav", 30)
    make.reviewed(tmp_path / "a_allcalls.txt", (0, "0.9"), (5, "0.8"), (10, "0.7"), (10, "0.7"))
    make.reviewed(tmp_path / "a_allnoise.txt", (5, "0.8"), (20, "0.1"))
    survey = sources.load("raven", tmp_path, **REVIEWED)
    assert rows_of(survey, "onset", "truth") == [(0, "present"), (5, "possible"), (10, "present"), (20, "absent")]
    assert survey.problems == [
        "the event 'humpback' at 10.00 s of 'a' stands more than once and is taken once: remove the copies.",
        "the event 'humpback' at 5.00 s of 'a' stands more than once with different truths and is taken for possible: "
        "settle it.",
    ]


def test_recordings_of_one_name_in_several_folders_are_told_apart(tmp_path):
    for site in ("north", "south"):
        make.sound(tmp_path / "audio" / site / "20090328_000000.wav")
        make.sound(tmp_path / "audio" / site / f"{site}.wav")
        make.selections(tmp_path / "audio" / site / f"{site}.txt", (3, 4, site))
    make.selections(tmp_path / "audio" / "north" / "20090328_000000.txt", (1, 2, "north"))  # beside its recording
    make.selections(
        tmp_path / "tables" / "south" / "20090328_000000.txt", (2, 3, "south")
    )  # in a folder that ends alike
    survey = sources.load("raven", tmp_path)
    assert sorted(rows_of(survey, "recording", "label")) == [
        ("audio__north__20090328_000000", "north"), ("audio__south__20090328_000000", "south"),
        ("north", "north"), ("south", "south"),
    ]  # fmt: skip
    assert survey.problems == []
    same_day = survey.recordings.set_index("recording")["group"].filter(like="audio")
    assert list(same_day) == ["2009-03-28"] * 2


def test_rows_that_name_a_file_of_two_folders_mean_the_nearest(tmp_path):
    for site in ("north", "south"):
        make.sound(tmp_path / site / "tape.wav")
        named = f"1\tSpectrogram 1\t1\t1\t2\t50\t90\ttape.wav\t{site}\n"
        make.text(tmp_path / site / "all.txt", f"{make.RAVEN_HEADER}\tBegin File\tAnnotation\n{named}")
    assert rows_of(sources.load("raven", tmp_path), "recording", "label") == [
        ("north__tape", "north"),
        ("south__tape", "south"),
    ]


def test_a_table_that_could_be_about_two_recordings_is_left_out_and_says_so(tmp_path):
    for site in ("north", "south"):
        make.sound(tmp_path / site / "tape.wav")
    make.selections(tmp_path / "tape.txt", (1, 2, "call"))
    make.selections(tmp_path / "north" / "tape.txt", (1, 2, "call"))
    survey = sources.load("raven", tmp_path)
    assert list(survey.recordings["recording"]) == ["north__tape"]
    assert survey.problems == [
        f"{tmp_path}/tape.txt could be about several recordings, such as 'north__tape' and 'south__tape': put each "
        "table into the folder of its recording.",
        f"{tmp_path}/south/tape.wav has no selection table and was left out: annotate it, or add a table without rows.",
    ]


def test_the_same_recording_in_two_formats_is_taken_once(tmp_path):
    make.sound(tmp_path / "tape.flac")
    make.sound(tmp_path / "tape.wav")
    make.selections(tmp_path / "tape.txt", (1, 2, "call"))
    survey = sources.load("raven", tmp_path)
    assert list(survey.recordings["path"]) == [f"{tmp_path}/tape.wav"] and len(survey.events) == 1
    assert survey.problems == [
        f"{tmp_path}/tape.flac is left out, because tape.wav beside it is the same recording: keep one of the two."
    ]


def test_a_label_for_no_call_is_the_absence_of_every_call_in_that_stretch(tmp_path):
    make.sound(tmp_path / "a.wav")
    make.selections(tmp_path / "a.txt", (1, 2, "fin"), (3, 4, "Noise"), (5, 6, "blue"), (7, 8, "ship"))
    survey = sources.load("raven", tmp_path, negative_labels=["noise", "ship"])
    assert sorted(rows_of(survey, "onset", "label", "truth")) == [
        (1, "fin", "present"), (3, "blue", "absent"), (3, "fin", "absent"), (5, "blue", "present"),
        (7, "blue", "absent"), (7, "fin", "absent"),
    ]  # fmt: skip
    make.selections(tmp_path / "a.txt", (3, 4, "noise"), (5, 6, "ship"))
    survey = sources.load("raven", tmp_path, negative_labels=["noise", "ship"])
    assert survey.events.empty and survey.problems == [
        "the 2 stretches labelled 'noise' and the like are left out, because no call is labelled that could be absent: "
        "label some calls."
    ]


def test_a_table_whose_rows_are_all_faulty_does_not_make_its_recording_an_empty_one(tmp_path):
    make.sound(tmp_path / "a.wav")
    make.selections(tmp_path / "a.txt", (2, 1, "call"))
    make.sound(tmp_path / "b.wav")
    make.selections(tmp_path / "b.txt")
    survey = sources.load("raven", tmp_path, exhaustive=True)
    assert list(survey.recordings["recording"]) == ["b"] and len(survey.problems) == 2
    assert (
        survey.problems[1] == f"{tmp_path}/a.wav has no row that can be used and was left out: mend those of its table."
    )


UNUSED = "with annotations that cannot be used"


@pytest.mark.parametrize("source", ["raven", "audacity"])
def test_a_recording_that_lost_a_row_is_not_in_an_exhaustive_survey(tmp_path, source):
    """What the row marks would be cut as noise."""
    for name in "abc":
        make.sound(tmp_path / f"{name}.wav")
    if source == "raven":
        make.selections(tmp_path / "a.txt", (1, 2, "call"), (4, 3, "call"))
        make.selections(tmp_path / "b.txt", (1, 2, "call"))
        make.selections(tmp_path / "c.txt", (1, 2, "call"), ("?", 3, "call"))
    else:
        make.text(tmp_path / "a.txt", "1\t2\tcall\n4\t3\tcall\n")
        make.text(tmp_path / "b.txt", "1\t2\tcall\n")
        make.text(tmp_path / "c.txt", "1\t2\tcall\n3\t3\tcall\n")
    survey = sources.load(source, tmp_path, exhaustive=True)
    assert list(survey.recordings["recording"]) == list(survey.events["recording"]) == ["b"]
    assert [p for p in survey.problems if f"has 2 recording(s) {UNUSED} (a, c), left out" in p]
    assert len(sources.load(source, tmp_path).recordings) == 3  # where nothing passes for noise, nothing is in doubt


def test_a_table_or_an_event_that_cannot_be_used_puts_its_recording_in_doubt(tmp_path):
    for name in "abc":
        make.sound(tmp_path / f"{name}.wav")
        make.selections(tmp_path / f"{name}.txt", (1, 2, "call"))
    make.text(tmp_path / "a_more.txt", "no table\n")
    make.selections(tmp_path / "c_more.txt", (9, 14, "call"))  # mostly after the end
    assert list(sources.load("raven", tmp_path, exhaustive=True).recordings["recording"]) == ["b"]
    problems = sources.load("raven", tmp_path, exhaustive=True).problems
    assert [p for p in problems if "at 9.00 s of 'c' ends after its recording" in p]
    assert [p for p in problems if f"has 2 recording(s) {UNUSED} (a, c)" in p] and len(problems) == 3
    assert len(sources.load("raven", tmp_path).recordings) == 3


def test_a_lost_row_of_a_table_over_many_recordings_costs_the_one_it_names(tmp_path):
    for name in "ab":
        make.sound(tmp_path / f"{name}.wav")
    rows = [("1\t2", "a"), ("4\t3", "a"), ("1\t2", "b")]
    lines = [f"{k}\tS\t1\t{times}\t50\t90\t{name}.wav\t0\tcall\n" for k, (times, name) in enumerate(rows, 1)]
    make.text(tmp_path / "all.txt", f"{make.RAVEN_HEADER}\tBegin File\tFile Offset (s)\tAnnotation\n" + "".join(lines))
    assert list(sources.load("raven", tmp_path, exhaustive=True).recordings["recording"]) == ["b"]


@pytest.mark.parametrize("possible", ["keep", "drop"])
def test_a_hedged_call_that_is_dropped_is_no_noise_where_an_empty_stretch_is(tmp_path, possible):
    make.sound(tmp_path / "a.wav", 30)
    make.reviewed(tmp_path / "a.txt", (0, "c"), (10, "u"))
    survey = sources.load("raven", tmp_path, possible=possible, exhaustive=True, **REVIEWED)
    windows = pd.DataFrame({"recording": "a", "onset": [0.0, 11.0, 20.0], "seconds": 3.0})
    targets = clips.label(windows, survey.events, ["humpback"], min_overlap=0.5, exhaustive=survey.exhaustive)
    assert targets["humpback"].fillna(-1).tolist() == [1.0, -1.0, 0.0]


def test_a_table_without_rows_that_is_named_after_nothing_is_named(tmp_path):
    make.sound(tmp_path / "a.wav")
    make.selections(tmp_path / "a.txt", (1, 2, "call"))
    make.selections(tmp_path / "b.txt")
    assert sources.load("raven", tmp_path).problems == [
        f"{tmp_path}/b.txt has no rows and the name of no recording: name it after the one it is about."
    ]


def test_hidden_files_do_not_count_and_linked_folders_do(tmp_path):
    make.sound(tmp_path / "data" / "a.wav")
    make.selections(tmp_path / "data" / "a.txt", (1, 2, "call"))
    make.text(tmp_path / "data" / "._a.wav", "what a Mac leaves behind")
    make.text(tmp_path / "data" / ".ipynb_checkpoints" / "a.txt", "an old copy")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data" / "back").symlink_to(tmp_path / "data", target_is_directory=True)
    survey = sources.load("raven", tmp_path / "set")
    assert list(survey.recordings["recording"]) == ["a"] and len(survey.events) == 1 and survey.problems == []


def test_the_nine_humpback_recordings_have_the_truth_that_their_reviewers_gave(real_data):
    """Counted by hand in the tables: 778 selections, of which 28 calls are marked n, 11 u and one c."""
    survey = sources.load("raven", real_data / "humpback", **REVIEWED)
    assert len(survey.recordings) == 9 and survey.hours == pytest.approx(1.5, abs=0.01)
    assert survey.events["truth"].value_counts().to_dict() == {"present": 593, "absent": 174, "possible": 11}
    by_recording = survey.events.groupby("recording")["truth"].value_counts()
    name = "Samana_PU194_20090111_{}".format
    assert by_recording[name("003000")].to_dict() == {"absent": 49}
    assert by_recording[name("113000")].to_dict() == {"present": 37, "absent": 6, "possible": 2}
    assert sorted(survey.recordings["group"].value_counts()) == [1, 1, 1, 1, 5] and not survey.exhaustive
    (cut,) = survey.problems
    assert "(and 4 more) runs past the end of its recording and was cut there" in cut


# ---------------------------------------------------------------- DCLDE 2013


def test_dclde_2013_loads_from_its_layout(tmp_path):
    survey = sources.load("dclde2013", make.dclde(tmp_path))
    one, two, three = (f"NOPP6_EST_{n}" for n in ("20090328_235800_CH10", "20090328_235900_CH10", "20090329_000000"))
    assert list(survey.recordings["recording"]) == [one, two, three]
    assert list(survey.recordings["group"]) == ["2009-03-28", "2009-03-28", "2009-03-29"]
    assert survey.recordings["start"][0] == pd.Timestamp("2009-03-29T04:58:00Z")
    assert rows_of(survey) == [
        (one, 10.5, 11.5, "RIWH", "present"),
        (one, 40.0, 46.0, "RIWH", "possible"),
        (two, 59.5, 60.0, "RIWH", "present"),  # one call, cut where its recording ends
        (three, 0.0, 0.7, "RIWH", "present"),
    ]
    assert survey.exhaustive is True and survey.problems == []
    assert set(survey.events["channel"]) == {1}  # channel 10 of the array is the only one of the file
    assert rows_of(survey, "low_hz", "high_hz")[0] == (79.1, 170.5)


def test_dclde_2013_lies_in_any_folder_and_folds_follow_its_days(tmp_path):
    make.dclde(tmp_path / "a")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "a").rglob("*.*"):
        shutil.copy(path, flat)
    nested, flattened = sources.load("dclde2013", tmp_path / "a"), sources.load("dclde2013", flat)
    pd.testing.assert_frame_equal(nested.events, flattened.events)


@pytest.mark.parametrize(
    ("possible", "truths"), [("drop", ["present", "possible", "present", "present"]), ("present", ["present"] * 4)]
)
def test_possibly_detected_calls_of_dclde_2013_are_as_asked_for(tmp_path, possible, truths):
    assert list(sources.load("dclde2013", make.dclde(tmp_path), possible=possible).events["truth"]) == truths


def test_the_other_log_of_dclde_2013_or_both_can_be_read(tmp_path):
    make.dclde(tmp_path)
    baleen = sources.load("dclde2013", tmp_path, logs="baleen")
    assert rows_of(baleen, "onset", "label") == [(10.6, "RIWH"), (20.0, "HUWH")] and baleen.problems == []
    both = sources.load("dclde2013", tmp_path, logs="both")
    assert sorted(rows_of(both, "onset", "label")) == [
        (0.0, "RIWH"), (10.5, "RIWH"), (20.0, "HUWH"), (40.0, "RIWH"), (59.5, "RIWH"),
    ]  # fmt: skip
    assert both.problems == [
        f"{tmp_path / make.BALEEN} repeats 1 call(s) of the other log, which are taken from there: choose one log by "
        "logs if that is not wanted."
    ]
    with pytest.raises(InputError, match="logs cannot be 'all': it is one of upcalls, baleen, both"):
        sources.load("dclde2013", tmp_path, logs="all")


def test_a_log_of_dclde_2013_that_is_missing_or_replaced_is_named(tmp_path):
    make.dclde(tmp_path)
    old = make.log(tmp_path / "detections" / "NEFSC_allbaleen-detection-log.csv")
    worse = make.log(tmp_path / "detections" / "NEFSC_depricated_upcall-detection-log.csv")
    newer = "NEFSC_SBNMS_200903_NOPP6_CH10_allbaleen-detection-log_updated.csv"
    assert sources.load("dclde2013", tmp_path, logs="baleen").problems == [
        f"{old} is left out, because {newer} replaces it: remove it."
    ]
    assert [p.split(" is left out")[0] for p in sources.load("dclde2013", tmp_path).problems] == [str(worse)]
    (tmp_path / make.UPCALLS).unlink()
    with pytest.raises(InputError, match=r"holds no log of the kind 'upcalls' \(detections/\*upcall\*.csv\): fetch it"):
        sources.load("dclde2013", tmp_path)


def test_files_that_are_not_of_dclde_2013_and_second_copies_are_named(tmp_path):
    make.dclde(tmp_path)
    other = make.sound(tmp_path / "source-audio" / "songs.wav")
    copy = make.sound(tmp_path / "source-audio" / "NOPP6_EST_20090328_235900.wav", 60)
    survey = sources.load("dclde2013", tmp_path)
    assert survey.problems == [
        f"{other} is no recording of DCLDE 2013 and was left out: those are named like "
        "NOPP6_EST_20090328_000000_CH10.wav.",
        f"{tmp_path}/source-audio/NOPP6_EST_20090328_235900_CH10.wav is a second copy of its quarter of an hour and "
        "was left out: remove one of them.",
    ]
    assert str(copy) in set(survey.recordings["path"]) and len(survey.events) == 4


def test_names_and_logs_of_dclde_2013_may_be_in_zones_of_their_own(tmp_path):
    make.dclde(tmp_path / "local")
    known = sources.load("dclde2013", tmp_path / "local").events
    for zone in ("UTC", "America/New_York"):  # read in one zone, they agree in any
        pd.testing.assert_frame_equal(sources.load("dclde2013", tmp_path / "local", zone=zone).events, known)
    make.dclde(tmp_path / "stated", offset="-05:00")
    stated = sources.load("dclde2013", tmp_path / "stated")
    pd.testing.assert_frame_equal(stated.events, known)
    assert stated.problems == []
    # The same names and log, but the log is said to be one of UTC: five hours before the recordings.
    apart = sources.load("dclde2013", tmp_path / "local", log_zone="UTC")
    assert apart.events.empty
    assert apart.problems == [
        f"{tmp_path / 'local' / make.UPCALLS}, line 2 (and 2 more), begins when no recording runs: check the time zone "
        "and the recordings' starts."
    ]


def test_a_log_of_dclde_2013_whose_zone_is_not_that_of_the_names_warns(tmp_path):
    make.dclde(tmp_path, offset="-05:00")
    survey = sources.load("dclde2013", tmp_path, zone="UTC")
    assert survey.problems[0] == (
        f"{tmp_path / make.UPCALLS} states times at -05:00 from UTC, while the file names are read in 'UTC': look at a "
        "few calls, and if they are not where the log says, set zone to that of the log."
    )
    assert sources.load("dclde2013", tmp_path, zone="-05:00").problems == []
    make.dclde(tmp_path, offset="Z")
    assert "states times at Z from UTC" in sources.load("dclde2013", tmp_path).problems[0]
    assert sources.load("dclde2013", tmp_path, zone="UTC").problems == []


def test_cells_are_counted_as_in_the_public_reading(tmp_path):
    """By hand: of 3 × 20 tiles, 10.5 s (cell 10-13) touches two, 40-46 s (cell 42-45) one, 59.5 s (cell 59-62) one."""
    counts = dclde2013.cell_counts(sources.load("dclde2013", make.dclde(tmp_path)))
    assert counts == dclde2013.CellCounts(none=56, detected=2, possible=1) and counts.cells == 59
    dropped = dclde2013.cell_counts(sources.load("dclde2013", tmp_path, possible="drop"))
    assert dropped == counts and dropped.certain == 58  # the possible cell is taken out, and not one without a call


def test_the_published_counts_add_up():
    assert (dclde2013.PUBLISHED.cells, dclde2013.PUBLISHED.certain) == (196_844, 194_493)


def test_the_whole_set_is_held_against_the_published_counts(tmp_path, monkeypatch):
    make.dclde(tmp_path)
    assert sources.load("dclde2013", tmp_path).problems == []  # a part of it cannot be
    monkeypatch.setattr(dclde2013, "RECORDINGS", 3)
    for possible in ("keep", "drop", "present"):  # counted before anything is dropped
        (says,) = sources.load("dclde2013", tmp_path, possible=possible).problems
        assert "gives 59 cells, 58 without the possible calls" in says and "196,844 and 194,493" in says
    monkeypatch.setattr(dclde2013, "PUBLISHED", dclde2013.CellCounts(none=56, detected=2, possible=1))
    assert sources.load("dclde2013", tmp_path).problems == []


def test_the_real_dclde_2013_has_the_published_counts():
    folder = os.environ.get("WHALELIB_DCLDE2013")
    if not folder:
        pytest.skip("WHALELIB_DCLDE2013 is not set: the real set is not here (a folder or a gs:// prefix)")
    survey = sources.load("dclde2013", folder)
    assert len(survey.recordings) == 672
    assert dclde2013.cell_counts(survey) == dclde2013.PUBLISHED


# ---------------------------------------------------------------- NOAA logs


def test_a_log_of_a_site_is_about_the_recordings_of_that_site(tmp_path):
    """Two sites recorded at once; each log lies in its site's folder, beside the folder of the sounds."""
    make.noaa_sites(tmp_path)
    survey = sources.load("noaa_log", tmp_path)
    assert rows_of(survey, "recording", "onset", "channel") == [
        ("north_20090328_000000", 5.0, 1),
        ("south_20090328_000000", 7.0, 1),
    ]
    assert survey.problems == [] and survey.exhaustive is False
    assert sources.load("noaa_log", tmp_path, exhaustive=True).exhaustive is True


def test_recordings_of_which_no_log_speaks_are_not_in_an_exhaustive_survey(tmp_path):
    make.noaa_sites(tmp_path)
    make.text(tmp_path / "south" / "logs" / "log.csv", "what is left of it\n")
    east = make.sound(tmp_path / "east" / "east_20090328_000000.wav", 20)
    assert len(sources.load("noaa_log", tmp_path).recordings) == 3  # where nothing passes for noise, all may stay
    survey = sources.load("noaa_log", tmp_path, exhaustive=True)
    assert list(survey.recordings["recording"]) == ["north_20090328_000000"]
    south = tmp_path / "south" / "audio" / "south_20090328_000000.wav"
    says = "has no detection log that can be read and was left out: annotate it, or mend its log."
    assert survey.problems[-2:] == [f"{east} {says}", f"{south} {says}"]


@pytest.mark.parametrize(
    ("begin", "end", "kept"),
    [
        ("28T00:00:08", "28T00:00:07", []),  # of any recording of the log
        ("28T00:00:18", "28T00:00:30", ["second"]),  # goes on when nothing was recorded
        ("28T00:00:50", "28T00:01:05", ["first"]),  # begins when nothing was recorded
        ("29T00:00:00", "29T00:00:01", ["first", "second"]),  # of a day that is not here
    ],
)
def test_a_lost_row_of_a_log_costs_an_exhaustive_survey_the_recordings_it_is_about(tmp_path, begin, end, kept):
    names = {"first": "A_20090328_000000", "second": "A_20090328_000100"}
    for name in names.values():
        make.sound(tmp_path / "A" / f"{name}.wav", 20)
    make.sound(tmp_path / "other" / "B_20090401_000000.wav", 20)
    make.log(tmp_path / "other" / "log.csv")
    make.log(
        tmp_path / "A" / "log.csv",
        ("2009-03-28T00:00:05", "2009-03-28T00:00:06", "FIWH", "Detected"),
        (f"2009-03-{begin}", f"2009-03-{end}", "FIWH", "Detected"),
    )
    survey = sources.load("noaa_log", tmp_path, exhaustive=True)
    there = list(survey.recordings["recording"])
    assert there == [*(names[k] for k in kept), "B_20090401_000000"]
    assert any(UNUSED in p for p in survey.problems) == (len(kept) < 2)
    assert set(survey.events["recording"]) == {names["first"]} & set(there)


def test_a_log_above_recordings_that_overlap_in_time_says_what_it_needs(tmp_path):
    for site in ("north", "south"):
        make.sound(tmp_path / site / f"{site}_20090328_000000.wav", 20)
    make.log(tmp_path / "log.csv", ("2009-03-28T00:00:05Z", "2009-03-28T00:00:06Z", "FIWH", "Detected"))
    survey = sources.load("noaa_log", tmp_path)
    assert survey.events.empty
    assert "begins while several recordings run" in survey.problems[0] and "a column Recording" in survey.problems[0]


def test_channels_of_files_with_several_are_kept(tmp_path):
    make.sound(tmp_path / "A_20090328_000000.wav", 20, channels=2)
    make.log(tmp_path / "log.csv", ("2009-03-28T00:00:05Z", "2009-03-28T00:00:06Z", "FIWH", "Detected"), channel=2)
    assert list(sources.load("noaa_log", tmp_path).events["channel"]) == [2]


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, ["FIWH"]),
        ({"label_column": "Annotation"}, ["FIWH"]),  # the knob's default, made for Raven: the log has no such column
        ({"label_column": "Annotation", "default_label": "fin"}, ["FIWH"]),
        ({"label_column": "Channel"}, ["10"]),
    ],
)
def test_labels_of_a_log_are_its_species_unless_another_column_is_there(tmp_path, options, labels):
    make.sound(tmp_path / "A_20090328_000000.wav", 20)
    make.log(tmp_path / "log.csv", ("2009-03-28T00:00:05Z", "2009-03-28T00:00:06Z", "FIWH", "Detected"))
    assert list(sources.load("noaa_log", tmp_path, **options).events["label"]) == labels


def test_a_log_without_labels_takes_the_default_or_says_so(tmp_path):
    make.sound(tmp_path / "A_20090328_000000.wav", 20)
    times = "Start_DateTime_ISO8601,End_DateTime_ISO8601\n2009-03-28T00:00:05,2009-03-28T00:00:06\n"
    make.text(tmp_path / "log.csv", times)
    assert list(sources.load("noaa_log", tmp_path, label_column="X", default_label="fin").events["label"]) == ["fin"]
    with pytest.raises(InputError, match="holds no NOAA detection log that can be read.*lacks the label column 'X'"):
        sources.load("noaa_log", tmp_path, label_column="X")


def test_what_a_folder_of_logs_holds_besides_is_named(tmp_path):
    make.sound(tmp_path / "A_20090328_000000.wav", 20)
    tape = make.sound(tmp_path / "tape.wav", 20)
    make.log(
        tmp_path / "log.csv",
        ("2009-03-28T00:00:05", "2009-03-28T00:00:06", "FIWH", "Detected"),
        *[("2009-03-29T00:00:05", "2009-03-29T00:00:06", "FIWH", "Detected")] * 1200,
        ("2009-03-28T00:00:07", "2009-03-28T00:00:06", "FIWH", "Detected"),
    )
    make.text(tmp_path / "moorings.csv", "site,latitude\nA,42\n")
    survey = sources.load("noaa_log", tmp_path)
    assert rows_of(survey, "onset", "offset") == [(5.0, 6.0)]
    begins = "begins when no recording runs: check the time zone and the recordings' starts."
    assert survey.problems[:3] == [
        f"{tape} has no start time in its name and was left out: name it like SITE_20090328_001500.wav.",
        f"{tmp_path}/log.csv, line 3 (and 1,199 more), {begins}",
        f"{tmp_path}/log.csv, line 1203, does not end after it begins: check its start and end times.",
    ]
    assert len(survey.problems) == 4 and "moorings.csv is not a NOAA detection log" in survey.problems[3]


def test_folders_without_a_log_or_without_dated_recordings_are_one_error(tmp_path):
    with pytest.raises(InputError, match="is no folder: set data_path to the folder of recordings and detection logs"):
        sources.load("noaa_log", tmp_path / "nowhere")
    make.sound(tmp_path / "tape.wav")
    with pytest.raises(InputError, match=r"holds no NOAA detection log \(\*.csv\)"):
        sources.load("noaa_log", tmp_path)
    make.log(tmp_path / "log.csv")
    with pytest.raises(InputError, match=r"no recording could be read .*tape.wav has no start time in its name"):
        sources.load("noaa_log", tmp_path)


# ---------------------------------------------------------------- Audacity


def test_label_files_beside_recordings_are_read(tmp_path):
    make.audacity_tracks(tmp_path)
    for name in ("forgotten", "points"):
        make.sound(tmp_path / f"{name}.wav")
    make.text(tmp_path / "b_labels.txt", "1\t2\tblue\n3\t4\t\n")
    make.text(tmp_path / "points.txt", "3\t3\tfin\n")
    make.text(tmp_path / "Label Track.txt", "1\t2\tfin\n")
    make.text(tmp_path / "README.txt", "labels by Ann\n")
    survey = sources.load("audacity", tmp_path, zone="UTC-5")
    assert list(survey.recordings["recording"]) == ["A_20090328_001500", "b", "quiet"]
    assert list(survey.recordings["group"]) == ["2009-03-28", "b", "quiet"]
    assert sorted(rows_of(survey, "recording", "onset", "label", "truth")) == [
        ("A_20090328_001500", 1.5, "fin", "present"),
        ("A_20090328_001500", 4.0, "blue", "absent"),
        ("A_20090328_001500", 4.0, "fin", "absent"),
        ("b", 1.0, "blue", "present"),
    ]
    assert survey.events[["low_hz", "high_hz"]].iloc[0].tolist() == [15.0, 25.0] and survey.exhaustive is False
    ends = ["has the name of no recording and was left out: name it after its recording."] * 2 + [
        "has no label file that can be used and was left out: annotate it, or add an empty one."
    ] * 2
    named = [p for p in survey.problems if "line" not in p]
    assert [p.split(" has ")[0].rsplit("/")[-1] for p in named] == [
        "Label Track.txt", "README.txt", "forgotten.wav", "points.wav",
    ]  # fmt: skip
    assert [p.endswith(end) for p, end in zip(named, ends, strict=True)] == [True] * 4
    assert [p for p in survey.problems if "b_labels.txt, line 2, has no label" in p]
    assert [p for p in survey.problems if "points.txt, line 1" in p] and len(survey.problems) == 6
    filled = sources.load("audacity", tmp_path, default_label="fin", negative_labels=[])
    assert rows_of(filled, "recording", "label")[1:] == [("A_20090328_001500", "noise"), ("b", "blue"), ("b", "fin")]


def test_a_folder_without_label_files_is_one_error(tmp_path):
    make.sound(tmp_path / "a.wav")
    with pytest.raises(InputError, match="holds no Audacity label file"):
        sources.load("audacity", tmp_path)


# ---------------------------------------------------------------- in the cloud


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket in memory, which a local folder is put into; headers are read out of it."""
    fsspec = pytest.importorskip("fsspec")
    import soundfile

    from whalelib import audio

    def probe(path):
        with fsspec.open(path, "rb") as raw, soundfile.SoundFile(raw) as file:
            return audio.Probe(file.frames / file.samplerate, file.samplerate, file.channels)

    monkeypatch.setattr(sources.registry.audio, "probe", probe)
    system = fsspec.filesystem("memory")

    def put(folder):
        for path in sorted(folder.rglob("*.*")):
            system.pipe(f"/bucket/whales/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return "memory://bucket/whales"

    yield put
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("source", "layout", "options"),
    [("raven", make.detector_reviews, REVIEWED), ("dclde2013", make.dclde, {}), ("noaa_log", make.dclde, {})],
)
def test_a_cloud_prefix_gives_the_same_survey_as_the_folder(tmp_path, bucket, source, layout, options):
    folder = layout(tmp_path / "here")
    here = sources.load(source, folder, **options)
    prefix = bucket(folder)
    there = sources.load(source, prefix, **options)
    assert len(there.events) > 3
    pd.testing.assert_frame_equal(there.events, here.events)
    paths = [path.replace(str(folder), prefix) for path in here.recordings["path"]]
    pd.testing.assert_frame_equal(there.recordings, here.recordings.assign(path=paths))
    assert there.problems == [problem.replace(str(folder), prefix) for problem in here.problems]
    assert there.fingerprint() == here.fingerprint()


def test_sentences_name_the_place_in_the_cloud(tmp_path, bucket):
    make.sound(tmp_path / "a.wav")
    make.selections(tmp_path / "a.txt", (1, 2, "call"), (4, 3, "call"))
    make.text(tmp_path / "notes.txt", "fine weather\n")
    survey = sources.load("raven", bucket(tmp_path))
    assert len(survey.events) == 1
    assert [p.split(",")[0].split(" is ")[0] for p in survey.problems] == [
        "memory://bucket/whales/a.txt",
        "memory://bucket/whales/notes.txt",
    ]


def test_a_prefix_without_files_and_an_unknown_protocol_are_one_error(bucket, tmp_path):
    make.sound(tmp_path / "a.wav")
    bucket(tmp_path)
    with pytest.raises(InputError, match="memory://bucket/wales/ holds no files: check the name of the bucket"):
        sources.load("raven", "memory://bucket/wales")
    with pytest.raises(InputError, match="gopher://hole cannot be read: a uri begins with s3:"):
        sources.load("raven", "gopher://hole")


# ---------------------------------------------------------------- what is done with annotations


def test_sentences_of_the_same_fault_become_one():
    assert annotations.condensed(
        ["a, line 3, is late: mend.", "b.", "a, line 9, is late: mend.", "b.csv, line 9, is late: mend."]
    ) == ["a, line 3 (and 1 more), is late: mend.", "b.", "b.csv, line 9, is late: mend."]


def test_only_an_event_that_lies_mostly_inside_is_cut_at_the_end():
    recordings = pd.DataFrame({"recording": ["a"], "seconds": [10.0]})
    rows = [
        {"recording": "a", "onset": a, "offset": b, "label": "x"} for a, b in [(8, 11), (9, 11), (9, 10.02), (12, 13)]
    ]
    cut, problems = annotations.cut_at_the_end(tables.events(rows), recordings)
    assert list(cut["offset"]) == [10, 11, 10.02, 13] and len(problems) == 1


def test_a_survey_without_a_problem_is_left_as_it_is(tmp_path):
    survey = sources.load("dclde2013", make.dclde(tmp_path))
    again, problems = annotations.settled(survey.events, survey.recordings)
    pd.testing.assert_frame_equal(again, survey.events)
    assert problems == []


def test_every_log_source_reads_what_the_writers_write(tmp_path):
    """Events of two recordings, written as each format and read back through its source."""
    paths = [make.sound(tmp_path / "w" / f"A_20090328_00000{k}.wav", 1) for k in (0, 5)]
    found = sources.folder.Listing(tmp_path / "w", "sounds").recordings()
    assert list(found["path"]) == [str(p) for p in paths]
    events = tables.events(
        [{"recording": r, "onset": 0.25, "offset": 0.5, "label": "fin", "low_hz": 15.0, "high_hz": 25.0}
         for r in found["recording"]]
    )  # fmt: skip
    writers = {
        "raven": lambda: formats.write_raven(tmp_path / "w" / "all.txt", events, found),
        "noaa_log": lambda: formats.write_noaa_log(tmp_path / "w" / "all.csv", events, found),
    }
    for name, write in writers.items():
        write()
        read = sources.load(name, tmp_path / "w")
        pd.testing.assert_frame_equal(read.events, tables.check_events(events))
        assert read.problems == []
