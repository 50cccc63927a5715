"""The page's logic without a browser: what may be handed in, what corrections are, what is played and drawn."""

import dataclasses
import io
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from energy import LABELS, calls, ear
from refusal import refused

from whalelib import formats, playing, sources, tables
from whalelib.app import corrections, drawing, sound, words
from whalelib.app.downloads import written
from whalelib.app.hearing import at_time, detected, following, hear, listed, resumed
from whalelib.app.knobs import Knobs
from whalelib.app.limits import NOTHING, Limits, clean_name, received

RATE = 2000
LOW, HIGH = LABELS


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Forty seconds with four calls, two of each kind, of different strength."""
    return calls(tmp_path_factory.mktemp("tape") / "tape_1.wav")


@pytest.fixture
def visit(recording):
    table, notes = received(recording, Limits())
    return under(hear(ear(), table, notes), 0.5)


def under(visit, threshold, **steps):
    return detected(visit, Knobs(dict.fromkeys(LABELS, threshold), steps))


def first(visit):
    return next(visit.detections.itertuples())


# What may be handed in


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_asked_for_in_a_sentence(nothing):
    assert refused(lambda: received(nothing, Limits())) == NOTHING


def test_ten_hours_that_pack_into_a_small_file_are_refused_by_the_header(tmp_path):
    bomb = tmp_path / "bomb.flac"
    with soundfile.SoundFile(bomb, "w", 1000, 1, "PCM_16") as file:
        for _ in range(600):
            file.write(np.zeros(60_000, dtype=np.int16))
    assert bomb.stat().st_size < 1_000_000
    refused(lambda: received(bomb, Limits()), "bomb.flac lasts 10.0 h", "60 minutes")


def test_a_zip_bomb_is_no_sound(tmp_path):
    import zipfile

    for name in ("sea.zip", "sea.wav"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("sea.wav", b"\0" * 20_000_000)
        refused(lambda name=name: received(tmp_path / name, Limits()), name, "cannot be read as sound")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "zero bytes"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "cannot be read as sound"),
        (b"<script>alert(1)</script>" * 100, "cannot be read as sound"),
    ],
)
def test_what_is_broken_is_a_sentence_that_keeps_the_place_to_itself(tmp_path, content, says):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    assert str(tmp_path) not in refused(lambda: received(path, Limits()), "broken.wav", says)


def wav(rate, channels, frames=1000):
    data = bytes(2 * channels * frames)
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + head + b"data" + struct.pack(
        "<I", len(data)
    ) + data  # fmt: skip


@pytest.mark.parametrize(("rate", "channels"), [(2_000_000_000, 1), (2, 1), (48000, 500)])
def test_rates_that_would_cost_gigabytes_are_refused(tmp_path, rate, channels):
    path = tmp_path / "odd.wav"
    path.write_bytes(wav(rate, channels))
    refused(lambda: received(path, Limits(minutes=1e6)), "odd.wav says that it has", "no recording of whales")


def test_a_file_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "large.wav"
    path.write_bytes(wav(RATE, 1, 600_000))
    refused(lambda: received(path, Limits(megabytes=1)), "large.wav has 1 MB", "cut it into parts")


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd.wav", "passwd"),
        ("C:\\Users\\me\\tape 7.wav", "tape_7"),
        ("<img src=x onerror=alert(1)>.wav", "img_src_x_onerror_alert_1"),
        ("...wav", "recording"),
        ("", "recording"),
        ("Wal gesänge.flac", "Wal_gesänge"),
        ("SITE_20090328_120000.wav", "SITE_20090328_120000"),
        ("x" * 300 + ".wav", "x" * 80),
    ],
)
def test_a_name_is_only_a_name(name, clean):
    assert clean_name(name) == clean


# A visit


def test_a_lower_threshold_finds_more_and_needs_no_other_scan(visit):
    counts = [len(under(visit, at).detections) for at in (0.05, 0.5, 0.95)]
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] > counts[2]
    assert len(visit.detections) == 4


def test_merging_joins_calls(visit):
    assert len(under(visit, 0.5, merge_seconds=30.0).detections) == 2


def test_samples_that_are_no_numbers_are_said(tmp_path):
    path = calls(tmp_path / "torn.wav", torn=(3.0, 3.5))
    heard = hear(ear(), *received(path, Limits()))
    assert any("no numbers" in note for note in heard.notes)
    assert heard.scores[LOW].isna().any()
    assert np.isfinite(playing.window(str(path), 0.0, 10.0, RATE)).all()


def test_near_misses_are_looked_through_only_by_doubt(visit):
    strict = under(visit, 0.9)
    assert not listed(strict)["near"].any()
    table = listed(strict, by_doubt=True)
    assert table["near"].any()
    assert table["doubt"].is_monotonic_increasing
    sure, near = table[~table["near"]], table[table["near"]]
    assert (tables.covered_seconds(sure, near) == 0).all()


def test_the_most_uncertain_that_was_not_judged_comes_next(visit):
    key, seen = str(listed(visit, True)["key"].iloc[0]), []
    while key not in seen:
        seen.append(key)
        said = corrections.judged(visit.corrections, visit.detection(key), "call")
        visit = under(dataclasses.replace(visit, corrections=said), 0.5)
        key = following(visit, key, by_doubt=True)
    assert sorted(seen) == sorted(visit.found["key"])
    doubts = visit.found.set_index("key")["doubt"]
    assert doubts[seen].is_monotonic_increasing


def test_by_time_the_one_after_comes_next(visit):
    keys = list(listed(visit)["key"])
    assert following(visit, keys[1], by_doubt=False) == keys[2]


def test_a_click_finds_the_detection_under_it(visit):
    row = first(visit)
    assert at_time(visit, (row.onset + row.offset) / 2) == row.key
    assert at_time(visit, row.onset - 0.5) == ""


# Corrections


def test_words_become_the_truths_that_annotations_know(visit):
    row = first(visit)
    for verdict, truth in (("call", "present"), ("noise", "absent"), ("not sure", "possible")):
        said = corrections.judged(corrections.none_yet(), row, verdict)
        assert list(said["truth"]) == [truth]
        assert list(said["label"]) == [row.label]


def test_another_label_says_two_things(visit):
    row = first(visit)
    said = corrections.judged(corrections.none_yet(), row, "call", " sei  whale ")
    assert dict(zip(said["label"], said["truth"], strict=True)) == {"sei whale": "present", row.label: "absent"}


def test_a_later_word_replaces_the_earlier_under_any_threshold(visit):
    row = first(visit)
    said = corrections.judged(corrections.none_yet(), row, "call", "sei whale")
    grown = first(under(visit, 0.3))
    assert (grown.onset, grown.offset) != (row.onset, row.offset)
    assert corrections.verdicts(under(visit, 0.3).found.head(1), said) == {"verdict": ["call"], "said": ["sei whale"]}
    said = corrections.judged(said, grown, "noise")
    assert list(said["truth"]) == ["absent"]


def test_a_label_has_bounds(visit):
    row = first(visit)
    refused(lambda: corrections.judged(corrections.none_yet(), row, "call", "x" * 61), "at most 60 letters")
    refused(lambda: corrections.judged(corrections.none_yet(), row, "call", "Noise"), "press Noise")
    refused(lambda: corrections.judged(corrections.none_yet(), row, "maybe"), "no verdict")


def judged_all(visit):
    """The four detections as call, noise, not sure, and a call of another kind."""
    said = corrections.none_yet()
    words = ("call", "noise", "not sure", "call")
    for row, verdict, label in zip(visit.detections.itertuples(), words, ("", "", "", "sei whale"), strict=True):
        said = corrections.judged(said, row, verdict, label)
    return said


def test_what_is_saved_is_what_training_reads(visit, tmp_path):
    said = judged_all(visit)
    table, everything = corrections.save(tmp_path / "kept", visit.recording, said, visit.saved)
    assert table.name == "tape_1.selections.txt"
    survey = sources.load("raven", tmp_path / "kept")
    assert survey.problems == []
    assert list(survey.recordings["recording"]) == ["tape_1"]
    columns = ["onset", "offset", "label", "truth"]
    pd.testing.assert_frame_equal(
        survey.events[columns].sort_values(columns, ignore_index=True),
        everything[columns].sort_values(columns, ignore_index=True),
    )
    assert set(survey.events["truth"]) == {"present", "absent", "possible"}
    assert (tmp_path / "kept" / "tape_1.wav").read_bytes() == Path(visit.path).read_bytes()
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == ["tape_1.selections.txt", "tape_1.wav"]


def test_saved_corrections_are_there_again_and_nobodys_are_lost(visit, tmp_path):
    one, two = list(visit.detections.itertuples())[:2]
    mine = corrections.judged(corrections.none_yet(), one, "call", "sei whale")
    theirs = corrections.judged(corrections.none_yet(), two, "noise")
    corrections.save(tmp_path, visit.recording, mine, visit.saved)
    corrections.save(tmp_path, visit.recording, theirs, visit.saved)  # who had begun before mine were saved
    again = under(resumed(visit, tmp_path), 0.5)
    word = corrections.verdicts(again.detections, again.corrections)
    assert word["verdict"][:2] == ["call", "noise"]
    assert word["said"][0] == "sei whale"
    said = corrections.judged(again.corrections, one, "noise")
    _, everything = corrections.save(tmp_path, again.recording, said, again.saved)
    assert sorted(everything["truth"]) == ["absent", "absent"]


def test_another_recording_of_the_same_name_is_kept_beside_it(visit, tmp_path):
    said = judged_all(visit)
    corrections.save(tmp_path / "kept", visit.recording, said, visit.saved)
    other = calls(tmp_path / "tape_1.wav", seed=1)
    table, _ = corrections.save(tmp_path / "kept", visit.recording.assign(path=str(other)), said, visit.saved)
    assert table.name == "tape_1_2.selections.txt"
    survey = sources.load("raven", tmp_path / "kept")
    assert list(survey.recordings["recording"]) == ["tape_1", "tape_1_2"]
    assert survey.problems == []


def test_nothing_said_is_nothing_saved(visit, tmp_path):
    refused(lambda: corrections.save(tmp_path / "kept", visit.recording, visit.corrections, visit.saved), "nothing")
    assert not (tmp_path / "kept").exists()


def test_downloads_hold_what_stands_after_review(visit, tmp_path):
    visit = dataclasses.replace(visit, corrections=judged_all(visit))
    raven, audacity, csv, text = written(tmp_path, visit)
    detections = list(visit.detections.itertuples())
    expected = [detections[0].label, detections[2].label, "sei whale"]
    for events in (formats.read_raven(raven, visit.recording).events, formats.read_csv(csv).events):
        assert list(events["label"]) == expected
        assert list(events["truth"]) == ["present", "possible", "present"]
    assert list(formats.read_audacity(audacity, visit.recording).events["label"]) == [
        expected[0], expected[1] + "?", expected[2],
    ]  # fmt: skip
    assert [line.split("  ")[1] for line in text.read_text().splitlines()] == [
        expected[0], expected[1] + "?", expected[2],
    ]  # fmt: skip


# Sound


@pytest.mark.parametrize(("hz", "speed"), [(20, 16), (40, 8), (120, 4), (130, 2), (300, 1)])
def test_low_sounds_are_raised_to_where_ears_hear(tmp_path, hz, speed):
    time = np.arange(20 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * hz * time) * ((time > 8) & (time < 12))
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone + np.random.default_rng(0).normal(0, 0.01, len(time)), RATE)
    played = sound.playable(str(path), 8.0, 12.0, seconds=20.0, sample_rate=RATE)
    assert played.hz == pytest.approx(hz, abs=4)
    assert played.speed == speed
    heard, rate = soundfile.read(io.BytesIO(played.wav))
    assert len(heard) / rate == pytest.approx(6.0 / speed, abs=0.01)
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * rate / len(heard) == pytest.approx(hz * speed, rel=0.01)
    assert ("times as fast" in played.says()) == (speed > 1)


@pytest.mark.parametrize(("onset", "offset"), [(0.0, 0.01), (0.0, 20.0), (19.99, 20.0), (5.0, 5.2)])
def test_silence_and_borders_can_be_played(tmp_path, onset, offset):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(20 * RATE), RATE)
    played = sound.playable(str(path), onset, offset, seconds=20.0, sample_rate=RATE)
    assert np.isfinite(soundfile.read(io.BytesIO(played.wav))[0]).all()


# Pictures and words


@pytest.mark.parametrize("screen", [400, 1200])
def test_a_place_in_the_picture_is_a_time_and_a_frequency(visit, screen):
    view = drawing.View(10.0, 20.0, 500.0, screen)
    for panel in drawing.panels(visit, view):
        left, bottom, width, height = panel.box
        assert panel.at(left + 1e-9, 1 - bottom - 1e-9) == pytest.approx((panel.seconds[0], panel.hz[0]), abs=1e-4)
        assert panel.at(left + width - 1e-9, 1 - bottom - height + 1e-9) == pytest.approx(
            (panel.seconds[1], panel.hz[1]), abs=1e-4
        )
        assert panel.at(left - 0.01, 0.5) is None
    assert drawing.drawn(visit, view, {}, LABELS, RATE)[8:12] == b"WEBP"


def test_a_view_stays_inside_and_follows_what_is_heard():
    view = drawing.View(0.0, 30.0)
    assert drawing.fitted(view, 12.0).width == 12.0
    assert drawing.fitted(view, 90.0, around=89.0).onset == 60.0
    assert drawing.fitted(view, 90.0, around=15.0).onset == 0.0
    assert drawing.fitted(view, 90.0, around=45.0).onset == 30.0


NASTY = "<img src=x onerror=alert(1)>\"'${1+1}{{value}}`"


def test_html_in_a_label_is_text(visit):
    shown = words.safe(NASTY)
    assert not set("<>\"'${}`") & set(shown)
    row = first(visit)
    visit = dataclasses.replace(visit, corrections=corrections.judged(visit.corrections, row, "call", NASTY))
    for html in (words.rows(visit, LABELS, False), words.legend([NASTY]), words.notice([NASTY])):
        assert shown in html
        assert "<img" not in html


def test_a_long_list_ends_and_says_so(visit):
    found = pd.concat([visit.found.assign(key=str(k)) for k in range(100)], ignore_index=True)
    html = words.rows(dataclasses.replace(visit, found=found), LABELS, False)
    assert html.count("<li>") == words.MOST_ROWS
    assert f"and {len(found[~found['near']]) - words.MOST_ROWS:,} more" in html


def test_a_model_that_is_none_is_a_sentence(tmp_path):
    from whalelib.app.opening import opened

    refused(lambda: opened(str(tmp_path)), "holds no detector")
    os.environ["HF_HUB_OFFLINE"] = "1"
    refused(lambda: opened("nobody/no-such-detector"), "cannot be had as a detector")


def test_a_saved_detector_is_opened(tmp_path):
    from whalelib.app.opening import opened
    from whalelib.models import build

    build(classes=["a", "b"], width=8).save_pretrained(tmp_path / "whale")
    heard = opened(str(tmp_path / "whale"))
    assert heard.classes == ["a", "b"]
    assert heard.name == "whale"
    assert heard.threshold("a") == 0.5


def test_a_noise_class_is_never_shown_as_a_call():
    from whalelib.app.listening import Ear
    from whalelib.models import build

    ear = Ear(build(classes=["upcall", "noise"], width=4), "one")
    assert ear.classes == ["upcall"]
