"""Sources of labelled files: each published layout in miniature gives its tables, and each fault its sentence."""

import inspect
import os
import shutil
import sys

import layouts
import pandas as pd
import pytest

from whalelib import clips, config, sources
from whalelib.errors import InputError
from whalelib.sources import folder, whole_files

SOURCES = ["clip_folder", "class_folder", "rfcx", "birdclef", "hub"]


def events_of(survey):
    """Events as plain rows, in order; the bands apart."""
    columns = ["recording", "onset", "offset", "label", "truth"]
    return sorted(map(tuple, survey.events[columns].to_numpy().tolist()))


def column(survey, name):
    return dict(zip(survey.recordings["recording"], survey.recordings[name], strict=True))


def the_problem(survey, says):
    """The one problem that says this."""
    (found,) = [problem for problem in survey.problems if says in problem]
    assert found.endswith((".", "?"))
    return found


def refused(says, source, folder, **options):
    with pytest.raises(InputError) as error:
        sources.load(source, folder, **options)
    assert says in str(error.value), error.value
    assert str(error.value).endswith(".")


@pytest.fixture
def labelled(tmp_path):
    layouts.labelled(tmp_path)
    return tmp_path


@pytest.fixture
def rfcx(tmp_path):
    layouts.rfcx(tmp_path)
    return tmp_path


@pytest.fixture
def birdclef(tmp_path):
    layouts.birdclef(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_listed_and_its_defaults_are_those_of_the_knobs(name):
    assert 40 < len(sources.names()[name].says) <= 120
    knobs = {knob.name: knob.default for knob in config.knobs()}
    parameters = inspect.signature(getattr(sources, name).__dict__[name]).parameters
    own = {n: p.default for n, p in parameters.items() if n in knobs}
    assert own and own == {n: knobs[n] for n in own}


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_folder_is_one_sentence(name, tmp_path):
    refused(f"{tmp_path / 'nowhere'} is", name, tmp_path / "nowhere")


@pytest.mark.parametrize("name", SOURCES)
def test_an_empty_folder_is_one_sentence(name, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(f"{tmp_path / 'empty'} holds no", name, tmp_path / "empty")


def test_the_layouts_can_be_made_by_hand(tmp_path):
    import subprocess

    made = subprocess.run([sys.executable, layouts.__file__, tmp_path], capture_output=True, text=True, check=True)
    names = [make.__name__ for make in layouts.LAYOUTS]
    assert [line.split()[0] for line in made.stdout.splitlines()] == names
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == sorted(names)


# ---------------------------------------------------------------- clip_folder


def test_the_nameless_index_that_pandas_writes_is_no_column_of_labels(labelled):
    before = events_of(sources.load("clip_folder", labelled, default_label="call"))
    (table,) = labelled.glob("*.csv")
    pd.read_csv(table, keep_default_na=False).to_csv(table)  # with its index, under no name
    assert table.read_text().startswith(",")
    assert events_of(sources.load("clip_folder", labelled, default_label="call")) == before


def test_labels_speak_of_whole_clips_and_negative_ones_give_no_event(labelled):
    survey = sources.load("clip_folder", labelled, **config.resolve().flat(["reading", "data"]))
    assert survey.problems == [] and survey.exhaustive
    assert events_of(survey) == [("a", 0.0, 1.0, "upcall", "present"), ("c", 0.0, 0.5, "upcall", "present")]
    assert survey.events[["low_hz", "high_hz", "score"]].isna().all(axis=None)
    assert column(survey, "seconds") == {"a": 1.0, "b": 2.0, "c": 0.5}
    assert column(survey, "group") == {"a": "a", "b": "b", "c": "c"}
    assert column(survey, "path")["b"] == str(labelled / "audio" / "b.flac")
    assert set(survey.recordings["sample_rate"]) == {layouts.RATE} and survey.recordings["start"].isna().all()


def test_label_and_group_columns_are_those_asked_for(labelled):
    survey = sources.load("clip_folder", labelled, label_column="species", group_column="tape")
    assert [label for *_, label, _ in events_of(survey)] == ["Fin, Finback Whale", "Minke Whale", "Minke Whale"]
    assert column(survey, "group") == {"a": "62018", "b": "62018", "c": "71001"}
    refused("lacks the column 'Art': set label_column to one of its columns, file, label, species, tape",
            "clip_folder", labelled, label_column="Art")  # fmt: skip
    refused("lacks the column 'site': set group_column to", "clip_folder", labelled, group_column="site")


def test_kaggles_zeros_and_ones_and_the_day_in_its_names(tmp_path):
    layouts.kaggle_whales(tmp_path)
    survey = sources.load("clip_folder", tmp_path)
    one, two, three = "20090328_000000_002s3ms_TRAIN0_0", "20090328_000000_010s6ms_TRAIN1_1", "train3"
    assert events_of(survey) == [(two, 0.0, 2.0, "call", "present"), (three, 0.0, 2.0, "call", "present")]
    assert column(survey, "group") == {one: "2009-03-28", two: "2009-03-28", three: "train3"}
    assert "1 sound file(s) without a row in train.csv (test1.aif), left out" in the_problem(survey, "without a row")
    assert len(survey.problems) == 1
    named = sources.load("clip_folder", tmp_path, default_label="upcall")
    assert set(named.events["label"]) == {"upcall"}


def test_clips_of_known_content_can_be_cut(labelled):
    survey = sources.load("clip_folder", labelled)
    folds = pd.Series("train", index=survey.recordings["recording"])
    table = clips.cut(survey.recordings, survey.events, ["upcall"], folds, exhaustive=survey.exhaustive, clip_seconds=1)
    targets = table.groupby("recording")["upcall"].agg(["min", "max"])
    assert targets.loc["a"].tolist() == [1, 1] and targets.loc["b"].tolist() == [0, 0]


def test_each_fault_in_a_table_of_clips_has_a_sentence_and_harms_no_other_clip(labelled):
    table = labelled / "labels.csv"
    rows = [
        ["gone.wav", "upcall", "x", "1"], ["gone2.wav", "upcall", "x", "1"], ["", "upcall", "x", "1"],
        ["zero.wav", "upcall", "x", "1"], ["letter.wav", "upcall", "x", "1"], ["blank.wav", "", "x", "1"],
        ["both.wav", "noise", "x", "1"], ["both.wav", "upcall", "x", "2"], ["twice.wav", "upcall", "x", "1"],
        ["long.wav", "upcall", "x", "1", "what is this"], ["short.wav", "upcall"],
    ]  # fmt: skip
    with open(table, "a", newline="") as file:
        file.writelines(",".join(row) + "\r\n" for row in rows)
    for name in ("blank.wav", "both.wav", "one/twice.wav", "two/twice.wav", "long.wav", "short.wav", "extra.wav"):
        layouts.write_sound(labelled / name)
    (labelled / "zero.wav").touch()
    (labelled / "letter.wav").write_text("dear whale")
    survey = sources.load("clip_folder", labelled, group_column="tape")
    assert set(survey.recordings["recording"]) == {"a", "b", "c", "short"}
    assert [recording for recording, *_ in events_of(survey)] == ["a", "c", "short"]
    says = {
        "2 row(s) without a sound file": "gone.wav, gone2.wav",
        "1 row(s) that name no file": "line 7",
        "zero bytes": "zero.wav",
        "cannot be read as sound": "letter.wav",
        "1 file(s) without a label": "blank.wav",
        "1 file(s) labelled as a call and as none": "both.wav",
        "1 row(s) whose file is there more than once": "twice.wav",
        "1 row(s) with more cells than the header": "line 14",
        "4 sound file(s) without a row in labels.csv": "extra.wav, long.wav, twice.wav and 1 more",
        "1 file(s) into two groups": "both.wav",
        "1 row(s) without a 'tape'": "line 15",
    }
    for words, name in says.items():
        assert name in the_problem(survey, words)
    assert len(survey.problems) == len(says)


def test_a_cut_short_clip_is_used_as_far_as_it_goes_and_named(labelled):
    whole = (labelled / "audio" / "a.wav").read_bytes()
    (labelled / "audio" / "a.wav").write_bytes(whole[: 44 + 1000])
    survey = sources.load("clip_folder", labelled)
    assert events_of(survey)[0] == ("a", 0.0, 0.5, "upcall", "present")
    assert "a.wav" in the_problem(survey, "is cut short")


def test_which_csv_is_meant(labelled):
    (labelled / "labels.csv").rename(labelled / "mine.csv")
    assert len(sources.load("clip_folder", labelled).recordings) == 3
    layouts.write_csv(labelled / "other.csv", ["file", "label"], ["a.wav", "song"])
    refused("holds 2 csv files and none is labels.csv or train.csv", "clip_folder", labelled)
    assert list(sources.load("clip_folder", labelled / "other.csv").events["label"]) == ["song"]
    layouts.write_csv(labelled / "train.csv", ["file", "label"], ["b.flac", "moan"])
    assert list(sources.load("clip_folder", labelled).events["label"]) == ["moan"]
    (labelled / "mine.csv").rename(labelled / "labels.csv")
    assert set(sources.load("clip_folder", labelled).events["label"]) == {"upcall"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a\0b", "is not a text file"),
        ("sound,label\na.wav,x\n", "lacks a column 'file' that names the clips: its columns are sound, label"),
        ("file,kind\na.wav,x\n", "lacks the column 'label': set label_column to one of its columns, file, kind"),
        ("file,label\na.wav," + "x" * 200_000 + "\n", "cannot be read as csv"),
        ("file,label\n", "no recording could be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(labelled, text, says):
    (labelled / "labels.csv").write_text(text)
    refused(says, "clip_folder", labelled)


def test_a_table_without_labels_takes_the_default_label(labelled):
    layouts.write_csv(labelled / "labels.csv", ["file"], ["a.wav"], ["b.flac"], ["c.wav"])
    survey = sources.load("clip_folder", labelled, default_label="minke")
    assert list(survey.events["label"]) == ["minke"] * 3


@pytest.mark.parametrize("text", ["File;Label\nA.WAV;höre\n", "\ufefffile\tlabel\r\nA.WAV\thöre\r\n"])
def test_other_separators_byte_order_marks_and_capitals_are_read(tmp_path, text):
    layouts.write_sound(tmp_path / "A.WAV")
    for encoding in ("utf-8", "latin-1") if text[0] == "F" else ("utf-8",):
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        assert events_of(sources.load("clip_folder", tmp_path)) == [("A", 0.0, 1.0, "höre", "present")]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["1", "0", "1"], ["call", None, "call"]),
        (["1.0", "0.0", "0"], ["call", None, None]),
        (["True", "false", "TRUE"], ["call", None, "call"]),
        (["1", "", "0"], ["call", "unknown", None]),
        (["0", "1", "2"], [None, "1", "2"]),
        (["Noise", "NONE", "fin"], [None, None, "fin"]),
        (["fin", "", "true"], ["fin", "unknown", "true"]),
    ],
)
def test_what_labels_mean(labels, expected):
    meaning = whole_files.Meaning.of(labels, "", ["noise", "none"])
    assert [meaning.class_of(text) if meaning.known(text) else "unknown" for text in labels] == expected


def test_numbers_beyond_one_are_classes_and_their_zero_is_spoken_of(labelled):
    layouts.write_csv(labelled / "labels.csv", ["file", "label"], ["a.wav", 0], ["b.flac", 1], ["c.wav", 2])
    survey = sources.load("clip_folder", labelled)
    assert [(r, label) for r, *_, label, _ in events_of(survey)] == [("b", "1"), ("c", "2")]
    assert "0 was taken for no call" in the_problem(survey, "numbers beyond 0 and 1")


def test_a_clip_listed_with_two_classes_has_both(labelled):
    layouts.write_csv(labelled / "labels.csv", ["file", "label"], ["a.wav", "fin"], ["a.wav", "blue"], ["a.wav", "fin"])
    assert [label for *_, label, _ in events_of(sources.load("clip_folder", labelled))] == ["blue", "fin"]


@pytest.mark.parametrize(
    "written", ["a.wav", "audio/a.wav", "audio\\a.wav", "./audio/a.wav", "C:/moved/a.wav", "a", "a.aif"]
)
def test_a_file_is_found_by_whatever_names_it_clearly(labelled, written):
    layouts.write_csv(labelled / "labels.csv", ["file", "label"], [written, "fin"])
    assert [recording for recording, *_ in events_of(sources.load("clip_folder", labelled))] == ["a"]


def test_a_missing_file_is_not_found_in_the_folder_of_another_class(tmp_path):
    layouts.write_sound(tmp_path / "whale" / "1.wav")
    layouts.write_csv(tmp_path / "labels.csv", ["file", "label"], ["whale/1.wav", "fin"], ["noise/1.wav", "noise"])
    survey = sources.load("clip_folder", tmp_path)
    assert events_of(survey) == [("1", 0.0, 1.0, "fin", "present")]
    assert "noise/1.wav" in the_problem(survey, "1 row(s) without a sound file")


def test_recordings_that_share_a_name_get_their_folders_then_their_endings(tmp_path):
    names = ["x/a.wav", "y/a.wav", "y/a.flac", "b.wav", "x__a.wav"]
    files = [str(tmp_path / name) for name in names]
    found = whole_files.recording_names(str(tmp_path), files)
    assert [found[path] for path in files] == ["x__a.wav", "y__a.wav", "y__a.flac", "b", "x__a"]
    files = [*files, str(tmp_path / "x__a.wav.flac")]
    assert len(set(whole_files.recording_names(str(tmp_path), files).values())) == len(files)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("SITE_20090328_120000.wav", "2009-03-28"), ("2009-03-28.wav", "2009-03-28"),
        ("x_2009_03_28_y.wav", "2009-03-28"),
        ("58011008.wav", ""), ("20091399_000000.wav", ""), ("120090328.wav", ""), ("train7.aif", ""),
        ("20091399_20090328.wav", "2009-03-28"), ("2009-0328.wav", ""),
    ],
)  # fmt: skip
def test_the_day_in_a_name(name, day):
    assert whole_files.day_of(name) == day


def test_links_that_lead_back_end_and_hidden_files_do_not_count(labelled, tmp_path_factory):
    (labelled / "audio" / "back").symlink_to(labelled)
    shutil.copytree(labelled / "audio", labelled / ".hidden", symlinks=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    layouts.write_sound(elsewhere / "d.wav")
    (labelled / "linked").symlink_to(elsewhere)
    listing = folder.Listing(labelled, "clips")
    found = [folder.file_name(path) for path in listing.sounds]
    assert found.count("a.wav") == 1 and found.count("d.wav") == 1 and listing.problems == []


# ---------------------------------------------------------------- class_folder


def test_folders_are_classes_and_folders_in_them_are_tapes(tmp_path):
    layouts.class_folders(tmp_path)
    survey = sources.load("class_folder", tmp_path)
    assert survey.problems == [] and survey.exhaustive
    assert events_of(survey) == [
        (name, 0.0, 1.0, "minke", "present") for name in ("20090328_120000", "b", "minke__a")
    ]  # fmt: skip
    assert column(survey, "group") == {
        "20090328_120000": "2009-03-28", "minke__a": "minke__a", "b": "tape7", "noise__a": "noise__a", "c": "tape7",
    }  # fmt: skip


def test_animal_spot_names_say_class_and_tape(tmp_path):
    layouts.animal_spot(tmp_path)
    survey = sources.load("class_folder", tmp_path)
    labels = {recording: label for recording, *_, label, _ in events_of(survey)}
    assert labels == {
        "call-Orca-A12_929_2019_Rec-031-2018-10-19_2949326_2949919": "call",
        "call-_930_2019_Rec-031-2018-10-19_2950000_2951000": "call",
        "warbler-song_5_2010_101BC_0_1000": "warbler",
    }
    groups = column(survey, "group")
    assert groups["noise-_2381_2010_101BC_149817_150055"] == groups["warbler-song_5_2010_101BC_0_1000"] == "101BC_2010"
    assert {groups[name] for name in labels if name.startswith("call")} == {"Rec-031-2018-10-19_2019"}
    assert survey.problems == []


def test_a_file_outside_every_class_is_named(tmp_path):
    layouts.class_folders(tmp_path)
    layouts.write_sound(tmp_path / "stray.wav")
    layouts.write_sound(tmp_path / "call-x_1_2009_tape.wav")
    (tmp_path / "minke" / "zero.wav").touch()
    survey = sources.load("class_folder", tmp_path)
    assert "call-x_1_2009_tape.wav, stray.wav" in the_problem(survey, "2 sound file(s) without a class")
    assert "zero.wav" in the_problem(survey, "zero bytes")
    assert len(survey.recordings) == 5 and len(survey.problems) == 2


def test_files_without_any_class_folder_are_refused(tmp_path):
    layouts.write_sound(tmp_path / "stray.wav")
    refused("holds no sound file with a class", "class_folder", tmp_path)


# ---------------------------------------------------------------- rfcx


def test_true_positives_are_present_and_false_ones_absent(rfcx):
    survey = sources.load("rfcx", rfcx, exhaustive=True)
    assert survey.problems == [] and not survey.exhaustive
    assert events_of(survey) == [
        ("003bec244", 4.544, 5.1307, "s14", "present"),
        ("006ab765f", 0.9615, 2.0452, "s23", "present"),
        ("006ab765f", 3.0, 3.5, "s23", "present"),
        ("00834f88e", 1.0, 2.5, "s14", "absent"),
    ]
    bands = survey.events.set_index("recording")[["low_hz", "high_hz"]]
    assert bands.loc["003bec244"].tolist() == [231.25, 431.25]
    assert column(survey, "group") == {name: name for name in ("003bec244", "006ab765f", "00834f88e")}


def test_song_types_are_classes_when_asked_for(rfcx):
    survey = sources.load("rfcx", rfcx, song_types=True)
    assert [label for *_, label, _ in events_of(survey)] == ["s14_t1", "s23_t1", "s23_t4", "s14_t1"]


@pytest.mark.parametrize("named", [{"negative_labels": ["s23"]}, {"negative_labels": ["23"], "song_types": True}])
def test_the_noise_class_gives_no_event_and_keeps_its_recording(rfcx, named):
    survey = sources.load("rfcx", rfcx, **named)
    assert {recording for recording, *_ in events_of(survey)} == {"003bec244", "00834f88e"}
    assert "006ab765f" in set(survey.recordings["recording"]) and survey.problems == []


def test_each_fault_of_rfcx_has_a_sentence(rfcx):
    with open(rfcx / "train_tp.csv", "a") as file:
        file.write(
            "gone,1,1,1,100,2,200\n,1,1,1,100,2,200\n003bec244,frog,1,1,100,2,200\n003bec244,noise,1,1,100,2,200\n"
            "003bec244,1.0,1,soon,100,2,200\n003bec244,2.0,1,1,100,2,200\n003bec244,3,1,5,100,7,200\n"
            "003bec244,3,1,2,100,1,200\n003bec244,3,1,1,300,2,200\n003bec244,3,1,,100,2,200\nzero,1,1,1,100,2,200\n"
        )
    (rfcx / "train" / "zero.flac").touch()
    layouts.write_sound(rfcx / "train" / "quiet.flac")
    survey = sources.load("rfcx", rfcx)
    assert [e for e in events_of(survey) if e[0] == "003bec244"] == [
        ("003bec244", 1.0, 2.0, "s2", "present"), ("003bec244", 4.544, 5.1307, "s14", "present"),
    ]  # fmt: skip
    says = {
        "1 row(s) without a sound file": "gone",
        "1 row(s) that name no file": "line 6",
        "1 row(s) whose species or song type is no number": "line 7",
        "2 row(s) with a time or frequency that is no number": "line 9, line 14",
        "ends after its recording": "'s3' at 5.00 s of '003bec244'",
        "ends before it begins": "'s3' at 2.00 s",
        "high below its low": "'s3' at 1.00 s",
        "zero bytes": "zero.flac",
        "1 sound file(s) without a row in either table": "quiet.flac",
    }
    for words, name in says.items():
        assert name in the_problem(survey, words)
    assert len(survey.problems) == len(says)


def test_rfcx_without_its_tables_or_columns_says_so(rfcx):
    (rfcx / "train_fp.csv").unlink()
    survey = sources.load("rfcx", rfcx)
    assert len(survey.events) == 3 and "train_fp.csv" in the_problem(survey, "no call is known to be absent")
    text = (rfcx / "train_tp.csv").read_text()
    (rfcx / "train_tp.csv").write_text(text.replace("songtype_id", "song"))
    assert len(sources.load("rfcx", rfcx).events) == 3
    refused(
        "lacks the column 'songtype_id': its columns are recording_id, species_id, song", "rfcx", rfcx, song_types=True
    )
    (rfcx / "train_tp.csv").unlink()
    refused("holds no train_tp.csv", "rfcx", rfcx)


# ---------------------------------------------------------------- birdclef


def test_primary_is_present_secondary_possible_all_over(birdclef):
    survey = sources.load("birdclef", birdclef)
    assert not survey.exhaustive and sources.load("birdclef", birdclef, exhaustive=True).exhaustive
    assert events_of(survey) == [
        ("XC128013", 0.0, 2.0, "abethr1", "present"),
        ("XC134896", 0.0, 2.0, "asbfly", "present"),
        ("XC363501", 0.0, 2.0, "abethr1", "present"),
        ("XC363501", 0.0, 2.0, "asbfly", "possible"),
        ("XC363501", 0.0, 2.0, "combul2", "possible"),
        ("XC363502", 0.0, 2.0, "abethr1", "present"),
    ]
    assert column(survey, "group") == {
        "XC128013": "Rolf A. de By", "XC363501": "James Bradley", "XC363502": "James Bradley",
        "XC134896": "Matt Slaymaker",
    }  # fmt: skip
    by_name = sources.load("birdclef", birdclef, group_column="common_name")
    assert set(by_name.recordings["group"]) == {"A bird"}


def test_weights_are_ratings_and_missing_ones_the_species_median_then_the_overall_one(birdclef):
    survey = sources.load("birdclef", birdclef)
    # abethr1 is rated 4 and 2, so its unrated recording counts as 3; asbfly has no rating at all, so 3 over all.
    expected = {"XC128013": 0.8, "XC363501": 0.4, "XC363502": 0.6, "XC134896": 0.6}
    assert column(survey, "weight") == pytest.approx(expected)
    assert "for 2 of 4 recordings" in the_problem(survey, "no rating (0 or empty)")
    assert len(survey.problems) == 1


def test_the_overall_median_is_that_of_rated_recordings_alone(birdclef):
    ratings = {"a": [5.0, 1.0, 1.0], "b": [0.0, 5.0, 0.0, 0.0, 0.0], "c": [0.0]}
    rows = []
    for name, given in ratings.items():
        for k, rating in enumerate(given):
            rows.append(layouts.bird_row(name, "[]", "", rating, f"{name}/XC{name}{k}.ogg"))
            layouts.write_sound(birdclef / "train_audio" / rows[-1][-1], 1.0, 8000)
    layouts.write_csv(birdclef / "train_metadata.csv", layouts.BIRDCLEF_HEADER, *rows)
    survey = sources.load("birdclef", birdclef)
    assert column(survey, "weight")["XCc0"] == 0.6  # the median of 5, 1, 1, 5
    assert column(survey, "weight")["XCb0"] == 1.0 and column(survey, "group")["XCb0"] == "XCb0"


def test_nobody_rated_anything(birdclef):
    text = (birdclef / "train_metadata.csv").read_text()
    (birdclef / "train_metadata.csv").write_text(text.replace(",rating,", ",stars,"))
    assert set(sources.load("birdclef", birdclef).recordings["weight"]) == {1.0}


def test_2021s_names_without_folders_are_found_in_that_of_their_species(birdclef):
    rows = [layouts.bird_row(name, "[]", "me", 3.5, "XC1.ogg") for name in ("abethr1", "asbfly")]
    for name in ("abethr1", "asbfly"):
        layouts.write_sound(birdclef / "train_audio" / name / "XC1.ogg", 1.0, 8000)
    layouts.write_csv(birdclef / "train_metadata.csv", layouts.BIRDCLEF_HEADER, *rows)
    survey = sources.load("birdclef", birdclef)
    assert [(r, label) for r, *_, label, _ in events_of(survey)] == [
        ("abethr1__XC1", "abethr1"), ("asbfly__XC1", "asbfly"),
    ]  # fmt: skip
    assert "4 sound file(s) without a row" in the_problem(survey, "without a row")


def test_each_fault_of_birdclef_has_a_sentence(birdclef):
    bad = [
        layouts.bird_row("abethr1", "[]", "x", 3, "abethr1/XC9.ogg"),
        layouts.bird_row("", "[]", "x", 3, "abethr1/XC10.ogg"),
        layouts.bird_row("abethr1", "oops", "x", 7, "abethr1/XC11.ogg"),
        layouts.bird_row("abethr1", "[1]", "x", "fine", "abethr1/XC12.ogg"),
        layouts.bird_row("asbfly", "[]", "x", 3, "abethr1/XC12.ogg"),
        layouts.bird_row("abethr1", "['asbfly', 'abethr1']", "x", 3, "abethr1/XC13.ogg"),
        layouts.bird_row("noise", "[]", "x", 3, "abethr1/XC14.ogg"),
    ]
    import csv

    with open(birdclef / "train_metadata.csv", "a", newline="") as file:
        csv.writer(file).writerows(bad)
    for k in (10, 11, 12, 13, 14):
        layouts.write_sound(birdclef / "train_audio" / "abethr1" / f"XC{k}.ogg", 1.0, 8000)
    (birdclef / "train_audio" / "asbfly" / "extra.ogg").write_bytes(b"OggS")
    survey = sources.load("birdclef", birdclef)
    own = [(r, label, truth) for r, *_, label, truth in events_of(survey) if r in {"XC11", "XC12", "XC13", "XC14"}]
    assert own == [
        ("XC11", "abethr1", "present"), ("XC12", "abethr1", "present"), ("XC13", "abethr1", "present"),
        ("XC13", "asbfly", "possible"),
    ]  # fmt: skip
    assert column(survey, "weight")["XC11"] == 0.6 and survey.recordings["weight"].between(0, 1, "right").all()
    says = {
        "1 row(s) without a sound file": "abethr1/XC9.ogg",
        "1 row(s) without a primary label": "line 7",
        "2 list(s) of secondary labels that cannot be read": "line 8, line 9",
        "2 rating(s) that are no number from 0 to 5": "line 8, line 9",
        "1 row(s) about a file that has one already": "line 10",
        "1 sound file(s) without a row": "extra.ogg",
        "no rating (0 or empty)": "for 4 of 8",
    }
    for words, name in says.items():
        assert name in the_problem(survey, words)
    assert len(survey.problems) == len(says)


def test_birdclef_without_its_table_or_a_column_says_so(birdclef):
    text = (birdclef / "train_metadata.csv").read_text()
    (birdclef / "train_metadata.csv").write_text(text.replace("primary_label", "bird"))
    refused("lacks the column 'primary_label'", "birdclef", birdclef)
    (birdclef / "train_metadata.csv").unlink()
    refused("holds no train_metadata.csv", "birdclef", birdclef)


# ---------------------------------------------------------------- hub


@pytest.fixture(params=["hub_disk", "hub_parquet"])
def hub_folder(request, tmp_path):
    getattr(layouts, request.param)(tmp_path / "set")
    return tmp_path / "set"


def contents(survey):
    """Seconds and labels of the recordings, by their names without the number of their row."""
    labels = survey.events.groupby("recording")["label"].agg(list)
    rows = zip(survey.recordings["recording"], survey.recordings["seconds"], strict=True)
    return {name.partition("-")[2]: (seconds, labels.get(name, [])) for name, seconds in rows}


def test_a_saved_data_set_gives_its_rows_as_recordings(hub_folder, cache):
    survey = sources.load("hub", hub_folder, **config.resolve().flat(["reading", "data"]))
    assert survey.problems == [] and survey.exhaustive
    assert contents(survey) == {
        "first_one": (1.0, []),
        "": (2.0, ["upcall"]),
        "SITE_20090328_120000": (0.5, ["upcall"]),
    }
    groups = {name.partition("-")[2]: group for name, group in column(survey, "group").items()}
    assert groups["SITE_20090328_120000"] == "2009-03-28" and groups["first_one"].endswith("-first_one")
    (folder,) = cache.iterdir()
    assert sorted(path.suffix for path in folder.iterdir()) == [".flac", ".wav", ".wav"]
    written = next(path for path in folder.iterdir() if path.suffix == ".flac")
    assert written.read_bytes() == layouts.sound_bytes(2.0, "FLAC")


def test_the_group_column_names_the_group_and_a_row_without_one_is_said(hub_folder):
    survey = sources.load("hub", hub_folder, group_column="tape")
    assert sorted(survey.recordings["group"]) == ["2009-03-28", "x", "y"]
    assert "row" in the_problem(survey, "1 row(s) without a 'tape'")
    refused("lacks the column 'site': set group_column to one of its columns, audio, label, tape",
            "hub", hub_folder, group_column="site")  # fmt: skip


def test_texts_are_labels_too(hub_folder):
    survey = sources.load("hub", hub_folder, label_column="tape")
    assert sorted(survey.events["label"]) == ["x", "y"] and len(survey.recordings) == 2
    assert "1 file(s) without a label" in the_problem(survey, "without a label")
    refused("lacks the column 'kind': set label_column", "hub", hub_folder, label_column="kind")


def test_what_is_unpacked_is_not_unpacked_again_and_what_was_interrupted_goes_on(hub_folder, cache, monkeypatch):
    replace, done = os.replace, []

    def interrupted(part, target):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(target)
        replace(part, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sources.load("hub", hub_folder)
    (folder,) = cache.iterdir()
    assert [path.name for path in folder.iterdir()] == [done[0].name]  # neither half a file nor a left-over

    written = []
    monkeypatch.setattr(os, "replace", lambda part, target: (written.append(target), replace(part, target)))
    first = sources.load("hub", hub_folder)
    assert len(written) == 2 and done[0] not in written
    again = sources.load("hub", hub_folder)
    assert len(written) == 2 and again.fingerprint() == first.fingerprint()


def test_a_changed_data_set_has_a_folder_of_its_own(hub_folder, cache):
    before = contents(sources.load("hub", hub_folder))
    shard = next(path for path in sorted(hub_folder.rglob("*")) if path.suffix in (".arrow", ".parquet"))
    os.utime(shard, (1, 1))
    assert contents(sources.load("hub", hub_folder)) == before and len(list(cache.iterdir())) == 2


def test_local_folders_need_no_datasets_package_and_hub_names_say_that_they_do(hub_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert len(sources.load("hub", hub_folder).recordings) == 3
    refused("datasets is not installed: install it with `pip install 'whalelib[train]'`", "hub", "someone/whales")


def test_a_hub_name_is_loaded_through_datasets_without_decoding(tmp_path, monkeypatch):
    import datasets

    layouts.hub_disk(tmp_path / "set")
    asked = []

    def load_dataset(name):
        asked.append(name)
        loaded = datasets.load_from_disk(str(tmp_path / "set"))
        return loaded.cast_column("audio", datasets.Audio(decode=True))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets.Audio, "decode_example", lambda *_: pytest.fail("a sound was decoded"))
    assert len(sources.load("hub", "someone/whales").recordings) == 3 and asked == ["someone/whales"]


def test_a_hub_name_that_cannot_be_reached_is_one_sentence(monkeypatch):
    import datasets

    def load_dataset(name):
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub (OfflineModeIsEnabled)")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    refused("'someone/whales' cannot be loaded from the hub (Couldn't reach", "hub", "someone/whales")


def parquet(folder, rows, features=None):
    """A parquet file of these columns."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(rows)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "set.parquet")
    return folder / "set.parquet"


def test_each_fault_in_a_row_has_a_sentence(tmp_path):
    layouts.write_sound(tmp_path / "beside.wav", 3.0)
    names = {"_type": "ClassLabel", "names": ["noise", "upcall"]}
    sounds = [
        {"bytes": layouts.sound_bytes(), "path": "a.wav"}, {"bytes": b"dear whale", "path": "b.wav"}, None,
        {"bytes": None, "path": "gone.wav"}, {"bytes": None, "path": "beside.wav"},
        {"bytes": b"RIFF, or so it says", "path": "c.wav"}, {"bytes": layouts.sound_bytes(), "path": "d.wav"},
    ]  # fmt: skip
    file = parquet(tmp_path, {"audio": sounds, "label": [1, 1, 1, 1, 1, 1, -1]}, {"label": names})
    survey = sources.load("hub", file)
    assert column(survey, "seconds") == {"000000-a": 1.0, "beside": 3.0}
    assert set(survey.events["label"]) == {"upcall"} and len(survey.events) == 2
    assert "(row 1, row 2, row 3)" in the_problem(survey, "3 row(s) without a sound")
    assert "000005-c.wav" in the_problem(survey, "cannot be read as sound")
    assert "000006-d.wav" in the_problem(survey, "without a label")
    assert len(survey.problems) == 3


def test_lists_of_labels_are_several_calls_and_an_empty_list_is_none(tmp_path):
    feature = {"feature": {"_type": "ClassLabel", "names": ["fin", "blue"]}, "_type": "List"}
    sounds = [{"bytes": layouts.sound_bytes(), "path": name} for name in ("a.wav", "b.wav", "c.wav")]
    file = parquet(tmp_path, {"sound": sounds, "labels": [[0, 1], [1], []]}, {"labels": feature})
    assert [(r, label) for r, *_, label, _ in events_of(sources.load("hub", file))] == [
        ("000000-a", "blue"), ("000000-a", "fin"), ("000001-b", "blue"),
    ]  # fmt: skip


def test_plain_bytes_and_zeros_and_ones_will_do(tmp_path):
    file = parquet(tmp_path, {"wave": [layouts.sound_bytes(), layouts.sound_bytes(2.0)], "label": [0, 1]})
    survey = sources.load("hub", file, sound_cache=str(tmp_path / "here"))
    assert events_of(survey) == [("000001", 0.0, 2.0, "call", "present")]
    assert (tmp_path / "here").is_dir() and column(survey, "path")["000001"].startswith(str(tmp_path / "here"))


def test_a_data_set_that_cannot_be_used_is_one_sentence(tmp_path):
    sound = [{"bytes": layouts.sound_bytes(), "path": "a.wav"}]
    refused("no column of sound: name one 'audio'; its columns are label", "hub", parquet(tmp_path, {"label": ["x"]}))
    both = parquet(tmp_path, {"left": sound, "right": sound, "label": ["x"]})
    refused("several columns of sound (left, right)", "hub", both)
    refused("lacks the column 'label': set label_column", "hub", parquet(tmp_path, {"audio": sound}))
    survey = sources.load("hub", parquet(tmp_path, {"audio": sound}), default_label="fin")
    assert list(survey.events["label"]) == ["fin"]
    (tmp_path / "set.parquet").write_text("dear whale")
    refused("set.parquet cannot be read", "hub", tmp_path / "set.parquet")


def test_shards_of_two_data_sets_are_not_mixed(tmp_path):
    layouts.hub_parquet(tmp_path / "set")
    parquet(tmp_path / "set", {"audio": [{"bytes": layouts.sound_bytes(), "path": "a.wav"}], "label": ["x"]})
    refused("has other columns than", "hub", tmp_path / "set")


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    layouts.hub_parquet(tmp_path / "set")
    (tmp_path / "cache").write_text("in the way")
    refused("cannot take the sounds of the data set", "hub", tmp_path / "set")


# ---------------------------------------------------------------- real recordings


def test_the_real_right_whale_clips_are_all_there_and_balanced(real_data):
    survey = sources.load("clip_folder", real_data / "right_whale", **config.resolve().flat(["reading", "data"]))
    assert len(survey.recordings) == 8045 and survey.problems == []
    assert 0.49 < len(survey.events) / len(survey.recordings) < 0.51
    assert set(survey.events["label"]) == {"upcall"} and set(survey.recordings["seconds"]) == {2.0}


def test_the_real_watkins_clips_have_their_species_and_no_tape_is_split(real_data):
    survey = sources.load("clip_folder", real_data / "watkins", label_column="species", group_column="tape")
    assert len(survey.recordings) == len(survey.events) == 577 and survey.problems == []
    assert survey.events["label"].nunique() == 16 and survey.recordings["group"].nunique() == 59
    table = pd.read_csv(real_data / "watkins" / "labels.csv", dtype=str).set_index("file")
    paths = survey.recordings["path"].str.rsplit("/", n=1).str[-1]
    assert list(survey.recordings["group"]) == list(table.loc[paths, "tape"])
    folds = clips.split(survey.recordings)
    sides = folds.groupby(survey.recordings["group"].to_numpy()).nunique()
    assert (sides == 1).all() and set(folds) == {"train", "validation", "test"}
