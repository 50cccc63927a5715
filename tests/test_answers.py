"""Classes that a detector answers for together, as song types for their species: in scans, truth and figures."""

import numpy as np
import pandas as pd
import pytest

from whalelib import config, stages
from whalelib.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHALELIB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield {
            "ocean_days": 4, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "epochs": 1, "clips_per_call": 1,
        }  # fmt: skip


@pytest.fixture(scope="module")
def runs(given):
    """The same training, with and without classes that are answered for together."""
    plain = config.resolve(given)
    parts = stages.split(plain)
    types = {"all of them": parts.classes[:2], "the last": parts.classes[-1:]}
    joined = config.resolve({**given, "merged_classes": types})
    stages.fit(plain, parts, progress=False)
    return plain, parts, joined, stages.split(joined)


def test_a_joined_class_scores_the_most_of_its_parts(runs):
    plain, parts, joined, together = runs
    own, _ = stages.scan(plain, parts, "test")
    said, _ = stages.scan(joined, together, "test")
    assert together.calls == ["all of them", "the last"] and together.classes == parts.classes
    np.testing.assert_allclose(said["all of them"], own[parts.classes[:2]].max(axis=1), atol=1e-6)
    np.testing.assert_allclose(said["the last"], own[parts.classes[-1]], atol=1e-6)
    clips = [stages.clip_scores(knobs, split, "test") for knobs, split in ((plain, parts), (joined, together))]
    np.testing.assert_allclose(clips[1]["all of them"], clips[0][parts.classes[:2]].max(axis=1))


def test_no_training_is_repeated_for_it(runs):
    plain, parts, joined, together = runs
    assert stages.place(plain, "detector", parts) == stages.place(joined, "detector", together)
    assert stages.place(plain, "scores", parts) != stages.place(joined, "scores", together)


def test_calls_are_told_by_the_joined_name_and_those_of_no_answer_left_out(runs):
    _, parts, _, together = runs
    own, said = parts.events("test"), together.events("test")
    number = own["label"].value_counts()
    assert (said["label"] == "all of them").sum() == number[parts.classes[:2]].sum() > 0
    assert set(said["label"]) <= {"all of them", "the last"}


def test_a_missing_song_type_does_not_make_the_species_missing(runs):
    _, parts, _, together = runs
    event = parts.survey.events.iloc[:1]
    events = pd.concat(
        [
            event.assign(label=parts.classes[0], truth="absent"),
            event.assign(label=parts.classes[-1], truth="absent"),
            event.assign(label=parts.classes[0], truth="present"),
        ]
    )
    assert together.called(events)[["label", "truth"]].to_numpy().tolist() == [
        ["the last", "absent"],
        ["all of them", "present"],
    ]


def test_detections_and_reports_speak_of_the_answers(runs):
    _, _, joined, together = runs
    knobs = config.resolve({**joined.flat(), "threshold": 0.3})
    found, scores, thresholds = stages.detections(knobs, together)
    assert set(thresholds) == set(together.calls)
    report = stages.event_report(knobs, together, found, scores)
    assert set(together.calls) <= set(report["class"])
    said, _ = stages.recording_scores(knobs, together, "test")
    assert set(together.calls) <= set(stages.recording_report(knobs, together, said)["class"])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"whale": ["unicorn"]}, "'unicorn'"),
        ({"whale": []}, "nothing"),
        ("twice", "twice"),
    ],
)
def test_answers_that_cannot_be_had_are_refused_before_anything_is_made(given, runs, answers, said):
    classes = runs[1].classes
    answers = {"a": classes[:1], "b": classes[:1]} if answers == "twice" else answers
    with pytest.raises(InputError, match=said):
        stages.split(config.resolve({**given, "merged_classes": answers}))


def test_answers_that_exclude_each_other_are_not_merged(given):
    with pytest.raises(InputError, match="exclude each other"):
        config.resolve({**given, "merged_classes": {"whale": ["fin"]}, "loss": "softmax"})
