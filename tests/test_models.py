"""The contract of every registered model: a network that is registered is tested here without a line of its own."""

import numpy as np
import pytest
import torch

from whalelib import metrics, models
from whalelib.errors import InputError
from whalelib.losses import LOSSES, mean
from whalelib.models import Detector, build

CLASSES = ["blue", "fin", "minke"]
every_model = pytest.mark.parametrize("model", models.names())
every_pooling = pytest.mark.parametrize("pooling", ["attention", "max", "mean"])


pytestmark = pytest.mark.usefixtures("one_thread")


def small(model="small_cnn", seed=0, **options):
    return build(seed, classes=CLASSES, model=model, width=8, **options).eval()


def noise(clips, samples=6000, seed=0):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


def with_call(sample, samples=6000):
    """Silence with an upsweep of 0.3 s centred on a sample."""
    t = torch.arange(-300, 301) / 2000
    waveform = torch.zeros(1, samples)
    sweep = 0.5 * torch.sin(2 * torch.pi * (150 + 150 * t) * t)
    waveform[0, sample - 300 : sample + 301] = sweep * torch.hann_window(601, periodic=False)
    return waveform


# Shapes


@every_model
@pytest.mark.parametrize("seconds", [1.0, 3.0, 4.1])
def test_logits_have_the_promised_shapes(model, seconds):
    detector = small(model, clip_seconds=seconds)
    with torch.no_grad():
        logits = detector(noise(2, detector.clip_samples))
    assert detector.clip_samples == round(2000 * seconds)
    assert logits.clip.shape == (2, 3)
    assert logits.frames.shape == (2, detector.frames, 3)
    assert detector.frame_seconds * detector.sample_rate == detector.frame_samples


@every_model
def test_one_detector_takes_clips_of_other_lengths(model):
    detector = small(model)
    with torch.no_grad():
        assert detector(noise(1, 9000)).frames.shape[1] > detector(noise(1, 6000)).frames.shape[1]


@every_model
def test_frames_also_hold_for_an_analysis_window_of_an_odd_number_of_samples(model):
    detector = small(model, features={"window_seconds": 0.2505, "hop_seconds": 0.03})
    with torch.no_grad():
        assert detector(noise(1)).frames.shape[1] == detector.frames


# What a network must do


@every_model
@every_pooling
def test_every_parameter_has_a_finite_gradient_that_is_not_zero(model, pooling):
    detector = small(model, pooling=pooling).train()
    logits = detector(noise(4))
    of_clips = LOSSES["bce"](logits.clip, torch.eye(4, 3))
    of_frames = LOSSES["bce"](logits.frames, torch.zeros_like(logits.frames))
    (mean(of_clips) + mean(of_frames)).backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 1e-7, name


@every_model
def test_a_row_alone_equals_the_row_in_a_batch(model):
    detector, waveform = small(model), noise(5)
    waveform[2] *= 100  # a loud neighbour must not be heard
    with torch.no_grad():
        together = detector(waveform)
        for row in range(5):
            alone = detector(waveform[row : row + 1])
            torch.testing.assert_close(alone.clip[0], together.clip[row], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(alone.frames[0], together.frames[row], atol=1e-4, rtol=1e-4)


@every_model
def test_silence_gives_finite_logits(model):
    logits = small(model)(torch.zeros(2, 6000))
    assert logits.clip.isfinite().all()
    assert logits.frames.isfinite().all()


@every_model
def test_frames_answer_where_the_call_is(model):
    """Frame t is centred on sample t * frame_samples, so what a call changes is centred on the call's own frame."""
    with torch.no_grad():
        detector = small(model, features={"normalise": "none"})
        silent = detector(torch.zeros(1, 6000)).frames
        for sample in (1500, 3000, 4500):
            change = (detector(with_call(sample)).frames - silent).abs().sum((0, 2))
            centre = (change * torch.arange(len(change))).sum() / change.sum()
            assert abs(centre - sample / detector.frame_samples) < 1.0


@every_model
def test_eight_clips_are_learnt_by_heart(model, small_store):
    targets = torch.from_numpy(small_store.table("train")[small_store.classes].to_numpy(np.float32).copy())
    rows = torch.cat([torch.nonzero(targets[:, k] == 1)[:2, 0] for k in range(targets.shape[1])]).unique()[:8].tolist()
    batch = {name: torch.from_numpy(values.copy()) for name, values in small_store.batch("train", rows).items()}
    detector = build(classes=small_store.classes, model=model, width=16, dropout=0.0).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        mean(LOSSES["bce"](detector(batch["waveform"]).clip, batch["targets"])).backward()
        optimiser.step()
    with torch.no_grad():
        scores = torch.sigmoid(detector.eval()(batch["waveform"]).clip)
    report = metrics.clip_report(batch["targets"].numpy(), scores.numpy(), small_store.classes)
    judged = report[report["class"] != "mean"].dropna()
    assert len(rows) == 8
    assert len(judged) >= 3
    assert (judged["ap"] == 1.0).all()


# Seeds


@every_model
def test_first_weights_depend_on_the_seed_alone(model):
    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))

    torch.manual_seed(1)
    first = small(model, seed=7)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = small(model, seed=7)
    assert same(first, second)
    assert not same(first, small(model, seed=8))
    assert torch.equal(torch.get_rng_state(), before)  # building leaves the other draws as they were


# Saving


@every_model
def test_a_saved_detector_comes_back_the_same(model, tmp_path):
    features = {"n_mels": 20, "normalise": "clip", "band_high_hz": 800.0}
    detector = small(model, sample_rate=1800, clip_seconds=2.0, features=features, pooling="max", dropout=0.1)
    detector.train()(noise(4, 3600))  # so that the running means are not those of a fresh network
    detector.eval().save_pretrained(tmp_path)
    loaded = Detector.from_pretrained(str(tmp_path)).eval()
    assert loaded.options == detector.options
    assert loaded.options["features"] == features
    assert (loaded.classes, loaded.sample_rate, loaded.clip_seconds) == (CLASSES, 1800, 2.0)
    assert (loaded.front_end.bands, loaded.front_end.normalise.kind, loaded.head.pooling) == (20, "clip", "max")
    with torch.no_grad():
        expected, found = detector(noise(2, 3600)), loaded(noise(2, 3600))
    assert torch.equal(found.clip, expected.clip)
    assert torch.equal(found.frames, expected.frames)


@every_model
def test_what_is_saved_is_safetensors_and_json(model, tmp_path):
    small(model).save_pretrained(tmp_path)
    found = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors"} <= found
    assert {name.rsplit(".", 1)[-1] for name in found} <= {"json", "safetensors", "md"}


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    small().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["head.classify.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"head\.classify\.weight"):
        Detector.from_pretrained(str(tmp_path))


# Pooling


@pytest.mark.parametrize(("pooling", "rule"), [("max", torch.amax), ("mean", torch.mean)])
def test_a_pooling_is_the_rule_it_is_named_after(pooling, rule):
    logits = small(pooling=pooling)(noise(3))
    torch.testing.assert_close(logits.clip, rule(logits.frames, 1))


def test_attention_lies_between_the_quietest_and_the_loudest_frame():
    logits = small(pooling="attention")(noise(3))
    assert (logits.clip < logits.frames.amax(1)).all()
    assert (logits.clip > logits.frames.amin(1)).all()
    assert not torch.allclose(logits.clip, logits.frames.mean(1))


def test_an_unknown_pooling_is_named_with_those_there_are():
    with pytest.raises(InputError, match="'loud'.*attention, max, mean"):
        small(pooling="loud")


# The register


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(InputError, match="'big_cnn'.*small_cnn"):
        small("big_cnn")


def test_a_registered_function_is_a_model_and_a_name_is_taken_once(monkeypatch):
    from whalelib.models import registry

    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))

    @models.register
    def other_cnn(n_bands, width):
        """Another network.

        More of it.
        """
        return registry._BUILDERS["small_cnn"](n_bands, width)

    assert models.names()["other_cnn"] == "Another network."
    assert small("other_cnn").options["model"] == "other_cnn"
    with pytest.raises(ValueError, match="two networks are named 'other_cnn'"):
        models.register(other_cnn)


def test_every_model_says_in_a_line_what_it_is():
    assert all(len(line) > 20 for line in models.names().values())
