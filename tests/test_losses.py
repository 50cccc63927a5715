"""Losses: each against a reference or an identity, finite at the ends, and blind where nothing is known."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from whalelib import losses, tables
from whalelib.clips import label
from whalelib.errors import InputError
from whalelib.losses import LOSSES, Centres, Objective, Weighing, class_weights, exclusive_probabilities, mean

EVERY = pytest.mark.parametrize("name", LOSSES)
SHAPES = pytest.mark.parametrize("shape", [(6, 3), (6, 20, 3)])


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(shape, generator=generator), (torch.rand(shape, generator=generator) > 0.5).float()


def one_of(*shape, seed=0):
    """Logits, and targets of which one at most is 1: what exclusive classes have."""
    logits, _ = drawn(*shape, seed=seed)
    which = torch.randint(0, shape[-1] + 1, shape[:-1], generator=torch.Generator().manual_seed(seed))
    return logits, F.one_hot(which, shape[-1] + 1)[..., :-1].float(), which


def cost(name, logits, targets, weight=None, **weighing):
    return mean(LOSSES[name](logits, targets, Weighing(**weighing)), weight)


def gradient(name, logits, targets, weight=None, **weighing):
    logits = logits.clone().requires_grad_()
    cost(name, logits, targets, weight, **weighing).backward()
    return logits.grad


# ---------------------------------------------------------------- each against a reference


@SHAPES
def test_binary_cross_entropy_is_torchs(shape):
    logits, targets = drawn(*shape)
    torch.testing.assert_close(cost("bce", logits, targets), F.binary_cross_entropy_with_logits(logits, targets))


@SHAPES
@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_loss_is_torchvisions(shape, gamma):
    logits, targets = drawn(*shape)
    expected = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(cost("focal", logits, targets, focal_gamma=gamma), expected)


@SHAPES
def test_a_focal_loss_with_gamma_0_is_cross_entropy(shape):
    logits, targets = drawn(*shape)
    assert torch.equal(cost("focal", logits, targets, focal_gamma=0.0), cost("bce", logits, targets))
    assert torch.equal(gradient("focal", logits, targets, focal_gamma=0.0), gradient("bce", logits, targets))


@SHAPES
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_is_torchs_with_an_outcome_more_whose_logit_is_0(shape, smoothing):
    logits, targets, which = one_of(*shape)
    every = torch.cat([logits, torch.zeros_like(logits[..., :1])], dim=-1)
    expected = F.cross_entropy(every.flatten(0, -2), which.flatten(), label_smoothing=smoothing)
    torch.testing.assert_close(cost("softmax", logits, targets, label_smoothing=smoothing), expected)


def test_softmax_of_one_class_is_binary_cross_entropy():
    logits, targets = drawn(8, 1)
    torch.testing.assert_close(cost("softmax", logits, targets), cost("bce", logits, targets))
    torch.testing.assert_close(exclusive_probabilities(logits), torch.sigmoid(logits))


def test_softmax_learns_shares_of_classes():
    logits, _ = drawn(5, 3)
    shares = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.0, 0.3], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    as_torch = torch.cat([shares, 1 - shares.sum(-1, keepdim=True)], dim=-1)
    as_torch[2] = torch.tensor([0.5, 0.5, 0.0, 0.0])  # two whole calls share the clip
    every = torch.cat([logits, torch.zeros(5, 1)], dim=-1)
    torch.testing.assert_close(cost("softmax", logits, shares), F.cross_entropy(every, as_torch))


def test_exclusive_probabilities_leave_the_rest_to_none_of_them():
    logits, _ = drawn(6, 4)
    found = exclusive_probabilities(logits)
    every = torch.softmax(torch.cat([logits, torch.zeros(6, 1)], dim=-1), dim=-1)
    torch.testing.assert_close(1 - found.sum(-1), every[:, -1])


@pytest.mark.parametrize("positive", [0.25, 4.0])
def test_the_weight_of_calls_is_torchs(positive):
    logits, targets = drawn(6, 3)
    expected = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=torch.full((3,), positive))
    torch.testing.assert_close(cost("bce", logits, targets, positive_weight=positive), expected)


def test_label_smoothing_moves_targets_towards_one_half():
    logits, targets = drawn(6, 3)
    smooth = torch.where(targets == 1, 0.95, 0.05)
    torch.testing.assert_close(cost("bce", logits, targets, label_smoothing=0.1), cost("bce", logits, smooth))


def test_class_weights_of_softmax_are_torchs():
    logits, targets, which = one_of(40, 3)
    weights = torch.tensor([0.5, 1.0, 3.0])
    every = torch.cat([logits, torch.zeros(40, 1)], dim=-1)
    expected = F.cross_entropy(every, which, weight=torch.cat([weights, torch.ones(1)]))
    torch.testing.assert_close(cost("softmax", logits, targets, class_weight=weights), expected)


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_a_class_of_weight_two_counts_as_two_classes(name):
    logits, targets = drawn(6, 3)
    twice = [0, 1, 1, 2]
    weighted = cost(name, logits, targets, class_weight=torch.tensor([1.0, 2.0, 1.0]))
    torch.testing.assert_close(weighted, cost(name, logits[:, twice], targets[:, twice]))


def test_class_weights_follow_how_often_a_class_is_there():
    targets = torch.tensor([[1.0, 0, 0]] * 16 + [[0, 1.0, torch.nan]] * 4)
    torch.testing.assert_close(class_weights(targets, 0.0), torch.ones(3))
    root = class_weights(targets, 0.5)
    torch.testing.assert_close(root / root[2], torch.tensor([1 / 4, 1 / 2, 1.0]))
    assert root.mean().item() == pytest.approx(1)


# ---------------------------------------------------------------- what is unknown


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_the_mean_is_over_the_known_targets(name):
    logits, targets = drawn(6, 3)
    known = torch.rand(6, 3, generator=torch.Generator().manual_seed(1)) > 0.4
    expected = cost(name, logits[known][:, None], targets[known][:, None])
    torch.testing.assert_close(cost(name, logits, targets.masked_fill(~known, torch.nan)), expected)


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_an_unknown_target_has_no_gradient_and_a_known_one_has(name):
    logits, targets = drawn(4, 2)
    targets[1, 0] = targets[3, 1] = torch.nan
    found = gradient(name, logits, targets)
    assert found.isfinite().all()
    assert torch.equal(found == 0, targets.isnan())


@EVERY
@SHAPES
@pytest.mark.parametrize("more", [{}, {"label_smoothing": 0.2}, {"positive_weight": 3.0}])
def test_nothing_known_is_zero_with_a_gradient_of_zero(name, shape, more):
    logits, targets = drawn(*shape)
    nothing = torch.full_like(targets, torch.nan)
    assert cost(name, logits, nothing, **more) == 0
    assert torch.equal(gradient(name, logits, nothing, **more), torch.zeros_like(logits))


@EVERY
def test_a_clip_of_which_nothing_is_known_does_not_change_the_mean(name):
    logits, targets, _ = one_of(4, 3)
    targets[2] = torch.nan
    others = [0, 1, 3]
    torch.testing.assert_close(cost(name, logits, targets), cost(name, logits[others], targets[others]))


def test_softmax_knows_that_a_call_of_one_class_is_none_of_another():
    logits, _ = drawn(1, 3)
    torch.testing.assert_close(
        cost("softmax", logits, torch.tensor([[1.0, torch.nan, 0.0]])),
        cost("softmax", logits, torch.tensor([[1.0, 0.0, 0.0]])),
    )


def test_softmax_of_an_absent_class_is_that_it_is_any_other_or_none():
    logits, _ = drawn(1, 3)
    absent = torch.tensor([[torch.nan, 0.0, torch.nan]])
    expected = -torch.log1p(-exclusive_probabilities(logits)[0, 1])
    torch.testing.assert_close(cost("softmax", logits, absent), expected)
    assert (gradient("softmax", logits, absent)[0] != 0).all()


@EVERY
def test_false_positives_teach_their_own_class_alone(name):
    """As in RFCX: an event that is absent says that its class is not here, and of all other classes nothing."""
    events = tables.events(
        [{"recording": "r", "label": "b", "onset": 0.0, "offset": 3.0, "truth": "absent"},
         {"recording": "s", "label": "a", "onset": 0.0, "offset": 3.0, "truth": "present"}]
    )  # fmt: skip
    cut = pd.DataFrame({"recording": ["r", "s"], "onset": 0.0, "seconds": 3.0})
    labelled = label(cut, events, ["a", "b", "c"], min_overlap=0.5, exhaustive=False)
    targets = torch.tensor(labelled.to_numpy())
    nan = torch.nan
    torch.testing.assert_close(
        targets, torch.tensor([[nan, 0, nan], [1, nan, nan]], dtype=torch.double), equal_nan=True
    )
    found = gradient(name, torch.zeros(2, 3), targets)
    assert found[0, 1] > 0 and found[1, 0] < 0  # less of the absent one, more of the present one
    if name != "softmax":  # whose classes exclude each other
        assert (found != 0).sum() == 2


# ---------------------------------------------------------------- weights of clips, soft targets, ends


@EVERY
@pytest.mark.parametrize("shape", [(4, 2), (4, 7, 2)])
def test_a_weight_of_two_counts_a_clip_twice(name, shape):
    logits, targets, _ = one_of(*shape)
    twice = [0, 1, 1, 2, 3]
    weighted = cost(name, logits, targets, torch.tensor([1.0, 2.0, 1.0, 1.0]))
    torch.testing.assert_close(weighted, cost(name, logits[twice], targets[twice]))


@EVERY
def test_a_weight_of_zero_leaves_a_clip_out(name):
    logits, targets, _ = one_of(4, 2)
    weight = torch.tensor([1.0, 0.0, 1.0, 1.0])
    rest = [0, 2, 3]
    torch.testing.assert_close(cost(name, logits, targets, weight), cost(name, logits[rest], targets[rest]))
    assert (gradient(name, logits, targets, weight)[1] == 0).all()


@EVERY
def test_a_soft_target_is_learnt_as_it_is(name):
    """The cost is least, and flat, where the answer is the target."""
    wanted = torch.tensor([[0.25, 0.5]])
    logits = torch.logit(wanted) if name != "softmax" else torch.log(wanted / 0.25)
    torch.testing.assert_close(gradient(name, logits, wanted), torch.zeros(1, 2), atol=1e-6, rtol=0)
    assert cost(name, logits, wanted) < cost(name, logits + 0.1, wanted)
    assert cost(name, logits, wanted) < cost(name, logits - 0.1, wanted)


@pytest.mark.parametrize("name", ["bce", "softmax"])
def test_a_mixed_target_costs_what_its_parts_cost(name):
    logits, a, _ = one_of(6, 3)
    b = one_of(6, 3, seed=1)[1]
    mixed = cost(name, logits, 0.3 * a + 0.7 * b)
    torch.testing.assert_close(mixed, 0.3 * cost(name, logits, a) + 0.7 * cost(name, logits, b))


@EVERY
@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_huge_logits_stay_finite(name, gamma, unknown, size):
    logits = torch.tensor([[size, -size], [size, -size], [-size, -size], [size, size]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [1.0, 0.0]])
    if unknown:
        targets[:, 1] = torch.nan
    for more in ({}, {"label_smoothing": 0.1}):
        assert cost(name, logits, targets, focal_gamma=gamma, **more).isfinite()
        assert gradient(name, logits, targets, focal_gamma=gamma, **more).isfinite().all()


@EVERY
def test_half_precision_logits_are_judged_in_full(name):
    logits, targets, _ = one_of(8, 3)
    half = logits.to(torch.bfloat16)
    assert torch.equal(cost(name, half, targets), cost(name, half.float(), targets))


@EVERY
def test_every_loss_leads_to_the_truth(name):
    _, targets, _ = one_of(8, 3)
    logits = nn.Parameter(drawn(8, 3, seed=5)[0])
    steps = torch.optim.Adam([logits], lr=0.3)
    for _ in range(150):
        steps.zero_grad()
        cost(name, logits, targets).backward()
        steps.step()
    probabilities = exclusive_probabilities(logits) if name == "softmax" else torch.sigmoid(logits)
    assert ((probabilities - targets).abs() < 0.2).all()


# ---------------------------------------------------------------- centres


def test_the_first_centres_are_the_means_of_the_first_clips():
    embeddings, targets = drawn(6, 4)[0], torch.eye(3).repeat(2, 1)
    centres = Centres(3)
    loss = centres(embeddings, targets)
    means = torch.stack([embeddings[k::3].mean(0) for k in range(3)])
    torch.testing.assert_close(centres.centres, means)
    expected = ((embeddings - means.repeat(2, 1)) ** 2).sum(1).mean() / 2
    torch.testing.assert_close(loss, expected)


def test_the_gradient_of_the_center_loss_points_to_the_centre():
    embeddings, targets = drawn(6, 4)[0].requires_grad_(), torch.eye(3).repeat(2, 1)
    centres = Centres(3)
    centres(embeddings, targets).backward()
    away = embeddings.detach() - centres.centres.repeat(2, 1)
    torch.testing.assert_close(embeddings.grad, away / 6)


def test_centres_follow_by_their_step_and_only_in_training():
    first, then = torch.zeros(2, 4), torch.ones(2, 4)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    centres = Centres(2, step=0.25)
    centres(first, targets)
    centres.eval()(then, targets)
    torch.testing.assert_close(centres.centres, torch.zeros(2, 4))
    centres.train()(then, targets)
    torch.testing.assert_close(centres.centres, torch.tensor([[0.25] * 4, [0.0] * 4]))
    assert centres.seen.tolist() == [True, False]


def test_clips_without_a_known_class_have_no_centre_and_no_gradient():
    embeddings = drawn(4, 3)[0].requires_grad_()
    centres = Centres(2)
    loss = centres(embeddings, torch.tensor([[0.0, torch.nan]] * 4))
    loss.backward()
    assert loss == 0 and (embeddings.grad == 0).all() and not centres.seen.any()


FOLLOW_HALF_OF_EVERY_BATCH = """
import sys, torch
from whalelib.losses import Centres
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
centres = Centres(3)
for embeddings, targets in torch.load(f"{folder}/batches.pt"):
    centres(embeddings[4 * rank :][:4], targets[4 * rank :][:4])
torch.save(centres.state_dict(), f"{folder}/{rank}.pt")
torch.distributed.destroy_process_group()
"""


def test_two_processes_have_the_centres_of_one(tmp_path):
    batches = [(drawn(8, 4, seed=step)[0], one_of(8, 3, seed=step)[1]) for step in range(3)]
    torch.save(batches, tmp_path / "batches.pt")
    here = {**os.environ, "PYTHONPATH": str(Path(losses.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FOLLOW_HALF_OF_EVERY_BATCH]
    both = [subprocess.Popen([*command, rank, str(tmp_path)], env=here) for rank in "01"]
    assert [child.wait(timeout=120) for child in both] == [0, 0]
    alone = Centres(3)
    for embeddings, targets in batches:
        alone(embeddings, targets)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["centres"], alone.centres)
        assert torch.equal(found["seen"], alone.seen)


# ---------------------------------------------------------------- the whole objective


def batch(seed=0, clips_=6, frames=5, classes=3):
    clip, targets = drawn(clips_, classes, seed=seed)
    of_frames, frame_targets = drawn(clips_, frames, classes, seed=seed + 1)
    return clip, of_frames, targets, frame_targets


def test_the_parts_add_up_with_their_weights():
    clip, frames, targets, truth = batch()
    expected = cost("bce", clip, targets) + 0.5 * cost("bce", frames, truth)
    expected += 0.25 * cost("bce", frames.amax(1), targets)
    found = Objective(3, frame_weight=0.5, loudest_weight=0.25)(clip, frames, targets, truth)
    torch.testing.assert_close(found, expected)


class Says(nn.Module):
    """A detector that answers what it was told to: logits, or a function of what it hears."""

    def __init__(self, answer, exclusive=False):
        super().__init__()
        self.answer, self.exclusive = answer, exclusive
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, waveform):
        answer = self.answer(waveform) if callable(self.answer) else self.answer[: len(waveform)]
        return type("Logits", (), {"clip": self.scale * answer})

    def probabilities(self, logits):
        return exclusive_probabilities(logits) if self.exclusive else torch.sigmoid(logits)


@EVERY
def test_a_batch_costs_what_its_parts_cost_over_the_counts_of_the_whole(name):
    """So that accumulation, and several processes, can give what the big batch gives, whatever is unknown in it."""
    clip, frames, targets, truth = batch()
    targets[0], targets[4, 1], truth[:3, 2:] = torch.nan, torch.nan, torch.nan
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])
    objective = Objective(
        3, targets, loss=name, class_weight_power=0.5, label_smoothing=0.1, positive_weight=2.0, loudest_weight=0.3,
        center_weight=0.1, teacher_detectors=[Says(lambda of: of[:, :3], name == "softmax")],
    )  # fmt: skip
    embeddings, slices = drawn(6, 4)[0], (slice(0, 1), slice(1, 4), slice(4, 6))
    objective.centres(embeddings, targets)  # from here on they stay, or each part would move them
    objective.centres.step = 0.0

    def part(p, counts=None):
        of = embeddings[p]
        return objective(clip[p], frames[p], targets[p], truth[p], weight[p], embeddings=of, waveform=of, counts=counts)

    counts = sum(objective.counts(targets[p], truth[p], weight[p]) for p in slices)
    torch.testing.assert_close(counts, objective.counts(targets, truth, weight))
    torch.testing.assert_close(sum(part(p, counts) for p in slices), part(slice(None)))


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_a_pupil_that_answers_like_its_teacher_has_nothing_to_learn(loss):
    clip, frames, targets, truth = batch()
    teacher = Says(clip.clone(), exclusive=loss == "softmax")
    objective = Objective(3, teacher_detectors=[teacher], loss=loss, frame_weight=0, distill_weight=1.0)
    for moved, still in ((0.0, True), (1.0, False)):
        pupil = (clip + moved).requires_grad_()
        objective(pupil, frames, targets, truth, waveform=torch.zeros(6, 1)).backward()
        assert (pupil.grad.abs().max() < 1e-6) == still
    assert teacher.scale.grad is None


def test_distillation_is_the_divergence_from_soft_labels_up_to_a_constant():
    """Hinton's form for two outcomes: temperature squared times the divergence of softened answers."""
    clip, frames, targets, truth = batch()
    told, temperature = drawn(6, 3, seed=7)[0], 3.0

    def divergence(logits):
        log_p = torch.stack([F.logsigmoid(logits / temperature), F.logsigmoid(-logits / temperature)], -1)
        q = torch.stack([torch.sigmoid(told / temperature), torch.sigmoid(-told / temperature)], -1)
        return temperature**2 * F.kl_div(log_p, q, reduction="none").sum(-1).mean()

    objective = Objective(
        3, teacher_detectors=[Says(told)], frame_weight=0, distill_weight=0.75, temperature=temperature
    )

    def loss(logits):
        hard = F.binary_cross_entropy_with_logits(logits, targets)
        return objective(logits, frames, targets, truth, waveform=torch.zeros(6, 1)) - 0.25 * hard

    other = clip + drawn(6, 3, seed=8)[0]
    torch.testing.assert_close(loss(clip) - loss(other), 0.75 * (divergence(clip) - divergence(other)))


def test_teachers_are_averaged_and_judge_what_no_annotator_knew():
    clip, frames, targets, truth = batch()
    a, b = drawn(6, 3, seed=3)[0], drawn(6, 3, seed=4)[0]
    objective = Objective(3, teacher_detectors=[Says(a), Says(b)], frame_weight=0, temperature=1.0)
    torch.testing.assert_close(objective.soft_labels(torch.zeros(6, 1)), (torch.sigmoid(a) + torch.sigmoid(b)) / 2)
    pupil = clip.clone().requires_grad_()
    objective(pupil, frames, torch.full_like(targets, torch.nan), truth, waveform=torch.zeros(6, 1)).backward()
    assert (pupil.grad != 0).all()


def test_validation_hears_neither_teachers_nor_centres():
    clip, frames, targets, truth = batch()
    plain = Objective(3)(clip, frames, targets, truth)
    objective = Objective(3, teacher_detectors=[Says(clip)], center_weight=1.0).eval()
    assert torch.equal(objective(clip, frames, targets, truth), plain)


def test_centres_are_found_again_in_a_checkpoint(tmp_path):
    clip, frames, targets, truth = batch()
    objective = Objective(3, center_weight=1.0)
    objective(clip, frames, targets, truth, embeddings=drawn(6, 4)[0])
    objective.save(tmp_path)
    again = Objective(3, center_weight=1.0)
    again.restore(tmp_path)
    assert torch.equal(again.centres.centres, objective.centres.centres)
    assert torch.equal(again.centres.seen, objective.centres.seen)
    later = [one(clip, frames, targets, truth, embeddings=drawn(6, 4, seed=2)[0]) for one in (objective, again)]
    assert torch.equal(*later)
    Objective(3).save(tmp_path / "nothing")  # nothing to keep, nothing written
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("options", "given", "words"),
    [
        ({"loss": "mse"}, {}, "it is one of bce, focal, softmax"),
        ({"class_weight_power": 0.5}, {}, "needs the targets of the training clips"),
        ({"center_weight": 1.0}, {}, "needs embeddings"),
        ({"teacher_detectors": [Says(torch.zeros(6, 3))]}, {}, "must hear what the detector hears"),
    ],
    ids=["name", "power", "centres", "teacher"],
)
def test_what_is_missing_is_a_sentence(options, given, words):
    with pytest.raises(InputError, match=words):
        Objective(3, **options)(*batch(), **given)
