"""Several trainings as one detector: what it answers, how it is kept, and that no training is done twice."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from transformers import TrainerCallback

from whalelib import config, predict, stages, train
from whalelib.errors import InputError
from whalelib.models import Detector, build, joined, merged

pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES = ["blue", "fin", "minke"]


def tiny(seed, **more):
    return build(seed=seed, classes=CLASSES, width=4, **more).eval()


def noise(clips):
    return torch.randn(clips, 6000, generator=torch.Generator().manual_seed(0)) * 0.1


def answers(detector):
    with torch.no_grad():
        return detector(noise(3))


# The detector


def test_one_member_is_the_detector_itself():
    alone = tiny(0)
    whole = joined([alone])
    assert whole.options == alone.options
    assert torch.equal(answers(whole).clip, answers(alone).clip)


def test_members_answer_with_the_mean_of_their_logits(tmp_path):
    members = [tiny(seed) for seed in (0, 1, 2)]
    whole = joined(members)
    for part in ("clip", "frames"):
        mean = sum(getattr(answers(one), part) for one in members) / 3
        torch.testing.assert_close(getattr(answers(whole), part), mean)
    whole.save_pretrained(tmp_path)
    again = Detector.from_pretrained(str(tmp_path)).eval()
    assert torch.equal(answers(again).clip, answers(whole).clip)
    assert predict.signature(again) == predict.signature(whole) != predict.signature(members[0])


def test_members_keep_their_weights_to_themselves():
    member = tiny(0)
    whole = joined([member, tiny(1)])
    before = answers(whole).clip
    with torch.no_grad():
        for weight in member.parameters():
            weight.zero_()
    assert torch.equal(answers(whole).clip, before)


def test_embeddings_of_members_stand_side_by_side():
    members = [tiny(0), tiny(1)]
    with torch.no_grad():
        found = joined(members).embed(noise(2))
        own = [one.embed(noise(2)) for one in members]
    torch.testing.assert_close(found.clip, torch.cat([one.clip for one in own], -1))
    assert torch.equal(found.frames, torch.cat([one.frames for one in own], -1))


def test_each_member_answers_for_groups_of_classes():
    members = [tiny(0), tiny(1)]
    whole = joined(members)
    for one in (whole, *members):
        one.answer({"rorqual": ["blue", "fin"]})
    torch.testing.assert_close(answers(whole).clip, (answers(members[0]).clip + answers(members[1]).clip) / 2)


def test_lora_is_merged_into_every_member():
    members = [tiny(seed, model="conformer", depth=1, lora_rank=2) for seed in (0, 1)]
    whole = joined(members)
    with torch.no_grad():
        for name, weight in whole.named_parameters():
            if "lora_B" in name:
                weight.normal_()  # it begins at zero, where merging would change nothing
    plain = merged(whole)
    assert not any("lora" in name for name in plain.state_dict())
    torch.testing.assert_close(answers(plain).clip, answers(whole).clip, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("other", [{"width": 8}, {"dropout": 0.4}])
def test_detectors_that_were_built_otherwise_are_refused(other):
    with pytest.raises(InputError, match="same options"):
        joined([tiny(0), build(seed=1, **{"classes": CLASSES, "width": 4, **other})])


def test_an_ensemble_is_no_member():
    with pytest.raises(InputError, match="single detectors"):
        joined([joined([tiny(0), tiny(1)])] * 2)


# Its trainings


@pytest.fixture
def knobs(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    given = {"ocean_days": 3, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "clips_per_call": 1, "epochs": 2}
    return config.resolve({**given, "members": 2, "augmentations": ["gain p=1"]})


def alone(knobs, seed):
    return config.resolve({**knobs.flat(), "members": 1, "seed": seed})


def finished(knobs, parts):
    """When the training with these knobs was finished."""
    return (stages.place(knobs, "detector", parts) / "fitted.json").stat().st_mtime_ns


def test_members_are_trainings_of_their_own_seeds_that_are_not_repeated(knobs):
    parts = stages.split(knobs)
    first = stages.fit(alone(knobs, 0), parts, progress=False)
    at = finished(alone(knobs, 0), parts)
    fitted = stages.fit(knobs, parts, progress=False)
    assert finished(alone(knobs, 0), parts) == at
    second = stages.trained(alone(knobs, 1), parts)
    detectors = (fitted.detector, first.detector, second.detector)
    both, one, two = (answers(detector).clip for detector in detectors)
    assert not torch.equal(one, two)
    torch.testing.assert_close(both, (one + two) / 2)
    assert fitted.seconds == pytest.approx(first.seconds + second.seconds)
    curves = [one.history["train_loss"].to_numpy() for one in (fitted, first, second)]
    np.testing.assert_allclose(curves[0], (curves[1] + curves[2]) / 2)
    again = train.join((pytest.fail("asked for again") for _ in range(2)), stages.place(knobs, "detector", parts))
    assert again.detector.options["members"] == 2
    pd.testing.assert_frame_equal(again.history, fitted.history)


def test_runs_of_other_seeds_share_no_member(knobs):
    seeds = [
        {one.seed for one in stages.members(config.resolve({**knobs.flat(), "seed": seed, "members": 3}))}
        for seed in range(4)
    ]
    assert len(set.union(*seeds)) == 12
    assert [one.seed for one in stages.members(alone(knobs, 5))] == [5]


class Power(TrainerCallback):
    """Fails in the first epoch of the training that begins after so many others."""

    def __init__(self, trainings):
        self.trainings = trainings

    def on_train_begin(self, *_, **__):
        self.trainings -= 1

    def on_evaluate(self, *_, **__):
        if self.trainings < 0:
            raise KeyboardInterrupt


def test_an_interrupted_member_goes_on_and_the_finished_ones_stay(knobs, tmp_path, monkeypatch):
    parts = stages.split(knobs)
    with pytest.raises(KeyboardInterrupt):
        stages.fit(knobs, parts, progress=False, callbacks=[Power(1)])
    at = finished(alone(knobs, 0), parts)
    fitted = stages.fit(knobs, parts, progress=False)
    assert finished(alone(knobs, 0), parts) == at
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "unbroken"))
    unbroken = stages.fit(knobs, parts, progress=False)
    pd.testing.assert_frame_equal(fitted.history, unbroken.history)
    assert torch.equal(answers(fitted.detector).clip, answers(unbroken.detector).clip)


def test_members_are_scanned_together(tmp_path):
    whole = joined([tiny(seed) for seed in (0, 1, 2)])
    engine = predict.engines.TorchEngine(whole)
    torch.testing.assert_close(
        torch.from_numpy(engine(noise(3))), whole.probabilities(answers(whole).frames), atol=1e-6, rtol=0
    )
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2).flatten().numpy(), 2000)
    heard = [np.concatenate([s for *_, s in predict.score(one, str(path), 6.0)]) for one in (whole, *whole.others)]
    middle = slice(10, -10)
    assert np.abs(heard[0][middle] - heard[1][middle]).max() > 1e-3
    mean = np.mean([np.log(h / (1 - h)) for h in (heard[1:])], axis=0)
    assert np.isfinite(mean).all()
