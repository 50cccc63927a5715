"""Heads and necks: each rule by its definition, and by what it may never do."""

import pytest
import torch
from model_zoo import CLASSES, tiny

from whalelib.errors import InputError
from whalelib.models import heads
from whalelib.models.heads import POOLINGS, PoolingHead, generalised_mean, mean_probability

every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def embeddings(clips=3, frames=7, dim=16, seed=0):
    return torch.randn(clips, frames, dim, generator=torch.Generator().manual_seed(seed))


def head(pooling="attention", seed=0, **options):
    torch.manual_seed(seed)
    return PoolingHead(16, 3, pooling, **{"dropout": 0.0, **options}).eval()


# Pooling


@every_pooling
def test_a_clip_of_one_frame_says_what_the_frame_says(pooling):
    clip, frames = head(pooling)(embeddings(frames=1))
    torch.testing.assert_close(clip, frames[:, 0], atol=1e-5, rtol=1e-5)


@every_pooling
def test_no_order_of_the_frames_changes_the_clip_and_no_clip_its_neighbour(pooling):
    x = embeddings()
    clip, _ = head(pooling)(x)
    torch.testing.assert_close(head(pooling)(x.flip(1))[0], clip)
    torch.testing.assert_close(head(pooling)(x[1:2])[0], clip[1:2])


@every_pooling
def test_a_clip_is_never_louder_than_its_loudest_frame(pooling):
    clip, frames = head(pooling)(5 * embeddings())
    assert (clip <= frames.amax(1) + 1e-4).all()
    if pooling != "attention_max":  # which may ignore every frame that it does not attend to
        assert (clip >= frames.amin(1) - 1e-4).all()


@pytest.mark.parametrize(("pooling", "rule"), [("max", torch.amax), ("mean", torch.mean)])
def test_a_pooling_is_the_rule_it_is_named_after(pooling, rule):
    clip, frames = head(pooling)(embeddings())
    torch.testing.assert_close(clip, rule(frames, 1))


def test_attention_with_sum_weighs_and_with_max_chooses():
    x = embeddings()
    weights = torch.softmax(head().attend(x), 1)
    clip, frames = head()(x)
    torch.testing.assert_close(clip, (weights * frames).sum(1))
    chosen, _ = head("attention_max")(x)
    odds = weights / weights.amax(1, keepdim=True) * torch.exp(frames)
    torch.testing.assert_close(chosen, torch.log(odds.amax(1)))


def test_decision_level_attention_is_the_weighted_mean_of_probabilities():
    x = embeddings()
    clip, frames = head("decision")(x)
    weights = torch.softmax(head("decision").attend(x), 1)
    torch.testing.assert_close(torch.sigmoid(clip), (weights * torch.sigmoid(frames)).sum(1))


def test_a_generalised_mean_is_the_mean_at_one_and_the_maximum_far_above():
    logits = 3 * torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(0))
    p = torch.sigmoid(logits)
    torch.testing.assert_close(torch.sigmoid(generalised_mean(logits, torch.ones(2))), p.mean(1))
    cubed = (p**3).mean(1) ** (1 / 3)
    torch.testing.assert_close(torch.sigmoid(generalised_mean(logits, torch.full((2,), 3.0))), cubed)
    torch.testing.assert_close(
        torch.sigmoid(generalised_mean(logits, torch.full((2,), 1e4))), p.amax(1), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    "rule", [lambda x: generalised_mean(x, torch.ones(1)), lambda x: mean_probability(x, x * 0 - 1)]
)
@pytest.mark.parametrize("logit", [-80.0, -20.0, 0.0, 20.0, 80.0])
def test_certain_frames_neither_overflow_nor_lose_their_gradient(rule, logit):
    logits = torch.full((1, 4, 1), logit, requires_grad=True)
    clip = rule(logits)
    assert clip.isfinite().all()
    clip.sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.sum() > 0.1


def test_an_unknown_pooling_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"'loud'.*attention, attention_max, decision, gem, max, mean"):
        head("loud")


# Layers


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_head_has_as_many_layers_as_were_asked_for_and_all_of_them_learn(layers):
    many = head(layers=layers, dropout=0.5).train()
    linear = [m for name, m in many.named_modules() if isinstance(m, torch.nn.Linear) and "attend" not in name]
    assert len(linear) == layers
    assert sum(isinstance(m, torch.nn.PReLU) for m in many.modules()) == layers - 1
    clip, frames = many(embeddings(8))
    assert frames.shape == (8, 7, 3)
    (clip.square().sum() + frames.square().sum()).backward()
    assert all(
        p.grad.abs().max() > 0
        for name, p in many.named_parameters()
        if "hidden" not in name or "linear.bias" not in name
    )


def test_a_head_of_four_layers_is_refused():
    with pytest.raises(InputError, match="head_layers cannot be 4"):
        head(layers=4)


# Necks


@pytest.mark.parametrize(("neck", "stride", "dim"), [("none", 1, 32), ("attention", 1, 32), ("chrononet", 8, 16)])
def test_a_neck_on_a_frozen_network_learns_and_keeps_time(neck, stride, dim):
    detector = tiny(neck=neck, freeze="all", clip_seconds=6.0).train()
    waveform = 0.1 * torch.randn(4, 12000)
    logits = detector(waveform)
    assert detector.stride == 4 * stride
    assert logits.frames.shape == (4, detector.frames, len(CLASSES))
    assert detector.embed(waveform).frames.shape == (4, detector.frames, dim)
    logits.clip.square().sum().backward()
    assert all(p.grad is None for p in detector.network.parameters())
    assert all(
        p.grad is not None for p in [*(detector.neck or detector.head).parameters(), *detector.head.parameters()]
    )


def test_an_unknown_neck_is_refused():
    with pytest.raises(InputError, match="neck cannot be 'long'"):
        tiny(neck="long")


def test_what_the_knob_offers_is_what_there_is():
    import typing

    from whalelib.config.page import Model
    from whalelib.models.necks import NECKS

    hints = typing.get_type_hints(Model)
    assert set(typing.get_args(hints["pooling"])) == set(heads.POOLINGS)
    assert typing.get_args(hints["neck"]) == NECKS
