"""Who listens on the page: of a run, a folder or the hub; what it has decided comes along."""

import os

import numpy as np
import pandas as pd
import pytest
import yaml
from energy import LABELS, calls, ear, scribe
from refusal import refused

from whalelib import config, stages, transcribe
from whalelib.app import words
from whalelib.app.hearing import detected, hear
from whalelib.app.knobs import Knobs, expit, logit, sliders, turned
from whalelib.app.limits import Limits, received
from whalelib.app.listening import Ear
from whalelib.app.opening import opened

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"ocean_days": 3, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "epochs": 1, "clips_per_call": 1}
SONG = {
    "ocean_song": True, "ocean_days": 4, "ocean_sites": 1, "ocean_minutes": 0.5, "speed": 4.0, "epochs": 1,
    "transcript_seconds": 6.0, "transcript_bands": 16, "transcriber_width": 16, "transcriber_layers": 1,
}  # fmt: skip


def run(folder, knobs):
    """The folder of a run with these knobs."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(knobs.flat()))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home in which a detector is trained, its knobs and its split."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("WHALELIB_CACHE")
    os.environ["WHALELIB_CACHE"] = str(home / "cache")
    knobs = config.resolve(TINY)
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    yield home, parts
    os.environ.pop("WHALELIB_CACHE") if before is None else os.environ.update(WHALELIB_CACHE=before)


def test_a_run_that_calibrates_is_heard_as_it_has_decided(trained):
    home, parts = trained
    knobs = config.resolve({**TINY, "calibration": "platt", "smooth_seconds": 0.2})
    found = opened(str(run(home / "calibrated", knobs)))
    assert found.thresholds == stages.decide(knobs, parts).thresholds
    assert found.name.endswith("calibrated") and found.classes == parts.calls and found.notes == ()
    recording = parts.recordings("test").head(1)
    visit = detected(hear(found, recording, []), Knobs(found.thresholds, found.steps), found.bands)
    expected, scores, _ = stages.detections(knobs, parts)
    own = scores[scores["recording"] == visit.name].reset_index(drop=True)
    pd.testing.assert_frame_equal(visit.scores[own.columns], own, rtol=1e-4, check_dtype=False)
    expected = expected[expected["recording"] == visit.name]
    columns = ["onset", "offset", "label", "low_hz", "high_hz"]
    pd.testing.assert_frame_equal(
        visit.detections[columns].reset_index(drop=True),
        expected.sort_values(["onset", "label"])[columns].reset_index(drop=True),
    )


def test_a_run_of_several_is_heard_by_its_own_detector_which_says_so(trained):
    home, parts = trained
    knobs = config.resolve({**TINY, "ensemble": ["another"], "joining": "product"})
    found = opened(str(run(home / "together", knobs)))
    assert found.thresholds == stages.decide(config.resolve(TINY), parts).thresholds
    shown = words.heading(found, Limits())
    assert "without the other detectors of its ensemble" in shown and "Clips as a whole" in shown


def test_a_run_of_a_clip_store_begins_at_one_half(trained):
    home, parts = trained
    store = stages.store(config.resolve(TINY), parts)
    knobs = config.resolve({"width": 4, "epochs": 1, "store_path": str(store.folder), "calibration": "platt"})
    found = opened(str(run(home / "stored", knobs)))
    assert set(found.thresholds.values()) == {0.5} and "knows no thresholds" in found.notes[0]


def test_a_transcriber_is_opened_from_its_run_and_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = config.resolve(SONG)
    store = stages.transcripts(knobs)
    fitted = stages.teach(knobs, store, progress=False)
    folder = run(tmp_path / "run", knobs)
    refused(lambda: opened(str(folder)), "there is no detector trained with these knobs yet")
    (folder / "transcribe.json").write_text("{}")
    found = opened(str(folder))
    assert found.writes and found.classes == list(store.words.labels) and found.rate == 4000
    fitted.transcriber.save(tmp_path / "saved")
    refused(lambda: opened(str(tmp_path)), "holds no detector")
    visits, recording = [], stages.survey(knobs).recordings.head(1)
    for source in (folder, tmp_path / "saved"):
        heard, shares = opened(str(source)), []
        visit = hear(heard, recording, [], shares.append)
        assert shares == sorted(shares) and 0.9 <= shares[-1] <= 1.0
        visits.append(detected(visit, turned(heard, [one.at for one in sliders(heard)])))
    pd.testing.assert_frame_equal(visits[0].found, visits[1].found)
    told, _ = transcribe.transcribe(fitted.transcriber, recording, progress=False)
    assert list(visits[0].detections["label"]) == list(told["label"])


def test_speech_is_not_shown(tmp_path, monkeypatch):
    from whalelib.transcribe import Hearing, Text, Transcriber

    monkeypatch.setattr(stages, "transcriber_of", lambda where: Transcriber(None, Hearing(30.0), Text("somewhere")))
    (tmp_path / "transcriber.json").write_text("{}")
    refused(lambda: opened(str(tmp_path)), "writes down speech, and the page shows calls")


# Sliders


def many(count, **thresholds):
    detector = ear().detector
    detector.classes = [f"kind_{k}" for k in range(count)]
    return Ear(detector, "many", thresholds)


def test_few_classes_have_a_threshold_each_and_many_are_moved_together():
    few = sliders(many(8, kind_3=0.2))
    assert [one.at for one in few[2:]] == [0.5, 0.5, 0.5, 0.2, 0.5, 0.5, 0.5, 0.5]
    crowd = many(9, kind_3=0.2, kind_4=0.9)
    *_, one = sliders(crowd)
    assert turned(crowd, [0.25, 0.3, one.at]).thresholds == pytest.approx(
        {name: crowd.threshold(name) for name in crowd.classes}
    )
    looser, stricter = (turned(crowd, [0.25, 0.3, at]).thresholds for at in (1.0, -1.0))
    assert all(looser[name] < crowd.threshold(name) < stricter[name] for name in crowd.classes)
    assert looser["kind_3"] < looser["kind_0"] < looser["kind_4"]


def test_log_odds_there_and_back():
    for p in (0.001, 0.2, 0.5, 0.99):
        assert expit(logit(p)) == pytest.approx(p)


# Transcripts and channels


@pytest.fixture
def written(tmp_path):
    """What the scribe with a known answer writes of forty seconds with four calls."""
    found = scribe()
    return found, hear(found, *received(calls(tmp_path / "tape.wav"), Limits()))


def at_least(found, visit, sure):
    return detected(visit, turned(found, [0.25, 0.3, sure]))


def test_what_is_written_is_a_visit_like_any_other(written):
    found, visit = written
    visit = at_least(found, visit, 0.0)
    assert list(visit.detections["label"]) == [LABELS[0], LABELS[1], LABELS[0], LABELS[1]]
    np.testing.assert_allclose(visit.detections["onset"], [5, 14, 22, 31], atol=0.15)
    for row in visit.detections.itertuples():  # the curve says how sure it is for as long as a call lasts
        inside = visit.scores[(visit.scores["onset"] >= row.onset) & (visit.scores["offset"] <= row.offset)]
        np.testing.assert_allclose(inside[row.label], row.score)
    assert visit.scores[LABELS].notna().sum().sum() * 0.1 == pytest.approx(
        (visit.detections["offset"] - visit.detections["onset"]).sum(), abs=0.4
    )


def test_how_sure_it_must_be_needs_no_other_hearing(written):
    found, visit = written
    between = float(np.sort(visit.calls["score"])[1:3].mean())
    strict = at_least(found, visit, between)
    assert len(strict.detections) == 2 and len(strict.found) > 2
    assert (strict.detections["score"] >= between).all()
    assert strict.found["near"].sum() == (strict.found["score"] < between).sum()


def test_a_transcript_is_text_with_times(written):
    found, visit = written
    visit = at_least(found, visit, 0.0)
    shown = words.transcript(visit, found.classes)
    assert shown.count("<button") == 4 and shown.index("low call") < shown.index("high call")
    assert "0:04.9" in shown and shown.count("<p>") == 4  # they are further apart than a pause
    assert len(words.as_text(visit.detections).splitlines()) == 4
    nothing = words.transcript(at_least(found, visit, 0.99), found.classes)
    assert "Nothing was written down" in nothing


@pytest.mark.parametrize("listens", [ear, scribe])
def test_another_channel_is_another_sound(tmp_path, listens):
    import soundfile

    samples, rate = soundfile.read(calls(tmp_path / "one.wav"))
    noise = np.random.default_rng(3).normal(0, 0.01, len(samples))
    soundfile.write(tmp_path / "two.wav", np.stack([noise, samples], axis=1), rate, subtype="FLOAT")
    recording, notes = received(tmp_path / "two.wav", Limits())
    assert "2 channels, of which one is heard" in notes[0]
    found = listens()
    start = [one.at for one in sliders(found)]
    one, two = (detected(hear(found, recording, notes, channel=k), turned(found, start)) for k in (1, 2))
    assert len(one.detections) == 0 and len(two.detections) == 4
    assert set(two.detections["channel"]) == {2} and two.channels == 2
