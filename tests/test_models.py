"""The contract of every registered model: a network that is registered is tested here without a line of its own."""

import copy
import json

import pytest
import torch
from model_zoo import CLASSES, SMALL, shared, surroundings, tiny
from torch import nn

from whalelib import models
from whalelib.errors import InputError
from whalelib.losses import LOSSES, mean
from whalelib.models import Detector, registry
from whalelib.models.registry import Picture

every_model = pytest.mark.parametrize("model", models.names())

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(clips, samples=3000, seed=0):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


def loss_of(detector, waveform):
    logits = detector(waveform)
    targets = torch.eye(len(waveform), logits.clip.shape[1])
    of_frames = LOSSES["bce"](logits.frames, torch.zeros_like(logits.frames))
    return mean(LOSSES["bce"](logits.clip, targets)) + mean(of_frames)


# Shapes


@every_model
@pytest.mark.parametrize("samples", [3000, 4321])
def test_logits_and_embeddings_have_the_promised_shapes_at_two_clip_lengths(model, samples):
    detector = copy.copy(shared(model))
    detector.clip_seconds = samples / detector.sample_rate
    with torch.no_grad():
        logits, embeddings = detector(noise(2, samples)), detector.embed(noise(2, samples))
    assert detector.clip_samples == samples
    assert logits.clip.shape == (2, 3)
    assert logits.frames.shape == (2, detector.frames, 3)
    assert embeddings.frames.shape == (2, detector.frames, detector.network.dim)
    torch.testing.assert_close(embeddings.clip, embeddings.frames.mean(1))
    assert detector.frame_seconds * detector.sample_rate == detector.frame_samples


@pytest.mark.parametrize("model", ["small_cnn", "crnn", "timm:resnet18"])
def test_frames_also_hold_for_an_analysis_window_of_an_odd_number_of_samples(model):
    detector = tiny(model, features={"n_mels": 32, "window_seconds": 0.2505, "hop_seconds": 0.03})
    with torch.no_grad():
        assert detector(noise(1)).frames.shape[1] == detector.frames


# What a network must do


def no_longer_fresh(module):
    """Some branches begin at exactly zero, and what lies behind them learns from the second step on."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.03 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return module


@every_model
def test_every_parameter_that_learns_has_a_finite_gradient_that_is_not_zero(model):
    detector = no_longer_fresh(copy.deepcopy(shared(model))).train()
    loss_of(detector, noise(4)).backward()
    for name, parameter in detector.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@every_model
def test_the_gradient_is_the_slope(model):
    """Layers laid out in memory in another order than they are read in have been seen to give another gradient."""
    network = no_longer_fresh(copy.deepcopy(shared(model).network)).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.train().momentum = 0.0
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        picture = shared(model).front_end(noise(2)).double().requires_grad_()
        weight = torch.randn(network(picture).shape, generator=draws, dtype=torch.float64)
    leaves = [picture, *(p for p in network.parameters() if p.requires_grad)]
    ways = [torch.randn(leaf.shape, generator=draws, dtype=torch.float64) for leaf in leaves]

    def height(step):
        with torch.no_grad():
            for leaf, way in zip(leaves, ways, strict=True):
                leaf += step * way
        return (network(picture) * weight).sum()

    slope = sum(float((g * w).sum()) for g, w in zip(torch.autograd.grad(height(0), leaves), ways, strict=True))
    step = 1e-7
    with torch.no_grad():
        up, down = float(height(step)), float(height(-2 * step))
    assert (up - down) / (2 * step) == pytest.approx(slope, rel=0.02)


@every_model
def test_a_row_alone_equals_the_row_in_a_batch(model):
    detector, waveform = shared(model), noise(3)
    waveform[2] *= 100  # a loud neighbour must not be heard
    with torch.no_grad():
        together = detector(waveform)
        for row in range(3):
            alone = detector(waveform[row : row + 1])
            torch.testing.assert_close(alone.clip[0], together.clip[row], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(alone.frames[0], together.frames[row], atol=1e-4, rtol=1e-4)


@every_model
def test_silence_gives_finite_logits(model):
    with torch.no_grad():
        logits = shared(model)(torch.zeros(2, 3000))
    assert logits.clip.isfinite().all()
    assert logits.frames.isfinite().all()


def even_in_time(network):
    """The network leaning to neither side by chance: kernels that average, the same forwards and backwards.

    Gates that look at the whole clip, as they should, are left out, and so is what bends: where the rest looks is the
    question.
    """
    bends = nn.ReLU, nn.SiLU, nn.Hardswish, nn.GELU
    with torch.no_grad():
        for module in list(network.modules()):
            if isinstance(module, nn.Conv1d | nn.Conv2d) and not hasattr(module, "parametrizations"):
                inside = tuple(range(1, module.weight.ndim))
                even = (module.weight + module.weight.flip(inside[1:])).abs()
                module.weight.copy_(even / even.sum(inside, keepdim=True))
            for name, child in list(module.named_children()):
                if type(child).__name__ in ("SqueezeExcite", "SEModule") or isinstance(child, bends):
                    setattr(module, name, nn.Identity())
    return network


@every_model
def test_frame_t_is_centred_on_its_own_stretch_of_the_picture(model):
    """What an answer hangs on, by its gradient, lies around frame t * stride of the picture, not to one side."""
    front = shared(model).front_end
    network = even_in_time(copy.deepcopy(shared(model).network)).eval()
    middles = []
    for seed in range(3):
        draws = torch.Generator().manual_seed(seed)
        picture = torch.rand(1, 1, front.bands, front.frames(250 * 64), generator=draws).requires_grad_()
        answer = network(picture)
        for t in range(answer.shape[1] // 3, 2 * answer.shape[1] // 3, max(answer.shape[1] // 9, 1)):
            weighed = (answer[0, t] * torch.randn(network.dim, generator=draws)).sum()
            pull = torch.autograd.grad(weighed, picture, retain_graph=True)[0].square().sum((0, 1, 2))
            share = (pull.cumsum(0) / pull.sum()).detach()
            middles.append(float(torch.searchsorted(share, 0.5)) - t * network.stride)
    middles = sorted(middles)[len(middles) // 4 : -(len(middles) // 4)]
    assert abs(sum(middles) / len(middles)) <= max(0.4 * network.stride, 1.0)


@every_model
def test_eight_clips_can_be_learnt_by_heart(model):
    rising = torch.sin(2 * torch.pi * (100 + 100 * torch.arange(1000) / 2000) * torch.arange(1000) / 2000)
    falling = torch.sin(2 * torch.pi * (700 - 100 * torch.arange(1000) / 2000) * torch.arange(1000) / 2000)
    waveform, targets = noise(8), torch.zeros(8, 3)
    for row in range(6):
        kind = row % 3
        if kind < 2:
            waveform[row, 300 * row + 200 : 300 * row + 1200] += rising if kind == 0 else falling
            targets[row, kind] = 1
    detector = copy.deepcopy(shared(model)).train()
    # Running means follow quickly, so that few steps are enough for the answers without a batch, too.
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 0.5
    optimiser = torch.optim.Adam(detector.parameters(), lr=5e-3)
    torch.manual_seed(0)
    for step in range(60):
        optimiser.zero_grad()
        loss = mean(LOSSES["bce"](detector(waveform).clip, targets))
        loss.backward()
        optimiser.step()
        if step % 10 == 9:
            with torch.no_grad():
                right = ((detector.eval()(waveform).clip > 0) == targets.bool()).all()
            detector.train()
            if right:
                return
    pytest.fail(f"after 60 steps the loss is {loss.item():.3f}, and some answer is still wrong")


# Seeds


@every_model
def test_first_weights_depend_on_the_seed_alone(model):
    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))

    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = tiny(model)
    assert same(shared(model), again)
    assert not same(again, tiny(model, seed=8))
    assert torch.equal(torch.get_rng_state(), before)  # building leaves the other draws as they were


# Saving


@every_model
def test_a_saved_detector_comes_back_the_same(model, tmp_path):
    options = {"sample_rate": 1800, "clip_seconds": 2.0, "pooling": "max", "dropout": 0.1}
    detector = tiny(model, **options, features={"n_mels": 36, "normalise": "clip", "band_high_hz": 800.0})
    detector.train()(noise(4, 3600))  # so that the running means are not those of a fresh network
    detector.eval().save_pretrained(tmp_path)
    with surroundings(model):
        loaded = Detector.from_pretrained(str(tmp_path)).eval()
    assert loaded.options == detector.options
    assert (loaded.classes, loaded.sample_rate, loaded.clip_seconds) == (CLASSES, 1800, 2.0)
    assert loaded.options["features"] == detector.options["features"]
    assert (
        loaded.front_end.bands == detector.front_end.bands == (1 if "front_end" in loaded.options["features"] else 36)
    )
    with torch.no_grad():
        expected, found = detector(noise(2, 3600)), loaded(noise(2, 3600))
    assert torch.equal(found.clip, expected.clip)
    assert torch.equal(found.frames, expected.frames)
    files = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors"} <= files
    assert {name.rsplit(".", 1)[-1] for name in files} <= {"json", "safetensors", "md"}


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    tiny().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["head.classify.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"head\.classify\.weight"):
        Detector.from_pretrained(str(tmp_path))


def test_a_detector_saved_by_the_first_version_still_loads(tmp_path):
    """Its page had fewer options; what it names, and what its tensors are called, must go on meaning the same."""
    detector = tiny(depth=0, network=None)
    detector.save_pretrained(tmp_path)
    first = ("classes", "sample_rate", "clip_seconds", "features", "model", "width", "dropout", "pooling")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({name: config[name] for name in first}))
    loaded = Detector.from_pretrained(str(tmp_path)).eval()
    assert loaded.options == detector.options
    assert torch.equal(loaded(noise(2)).clip, detector(noise(2)).clip)
    outside_blocks = {name for name in loaded.state_dict() if ".blocks." not in name and "_norm." not in name}
    assert outside_blocks == {
        "network.stem.weight", "network.project.weight", "network.project.bias",
        "head.classify.weight", "head.classify.bias", "head.attend.weight",
    }  # fmt: skip
    assert {name.split(".")[2] for name in loaded.state_dict() if ".blocks." in name} == {"0", "1", "2"}


# Speed


def test_speed_plays_the_recording_faster_and_leaves_its_times():
    """2 kHz at speed 8 is heard as 16 kHz would be: the same samples, the same picture, the recording's own seconds."""
    high = {"n_mels": 32, "window_seconds": 0.032, "hop_seconds": 0.004, "band_low_hz": 80.0, "band_high_hz": 7600.0,
            "mel_break_hz": 800.0}  # fmt: skip
    fast = tiny(speed=8.0, features=high)
    real = tiny(sample_rate=16000, clip_seconds=1.5 / 8, features=high)
    slow = tiny(features={"n_mels": 32, "band_high_hz": 950.0})
    assert fast.front_end.sample_rate == 16000
    assert (fast.clip_samples, fast.frames, fast.frame_samples) == (real.clip_samples, real.frames, real.frame_samples)
    assert fast.frame_seconds == pytest.approx(8 * real.frame_seconds)
    assert (fast.frame_seconds, fast.frames) == (slow.frame_seconds, slow.frames)
    with torch.no_grad():
        assert torch.equal(fast(noise(2)).frames, real(noise(2)).frames)
        torch.testing.assert_close(fast.front_end(noise(2)), slow.front_end(noise(2)), atol=1e-3, rtol=1e-3)


# Answers


def test_answers_are_the_maximum_of_their_classes_and_what_is_in_none_stays_unsaid(tmp_path):
    detector = tiny()
    every = detector(noise(3))
    detector.answer({"rorqual": ["fin", "blue"], "minke": ["minke"]})
    merged = detector(noise(3))
    assert detector.classes == ["rorqual", "minke"]
    assert torch.equal(merged.clip[:, 0], every.clip[:, :2].amax(1))
    assert torch.equal(merged.frames[..., 1], every.frames[..., 2])
    detector.answer({"fin": ["fin"]})
    assert torch.equal(detector(noise(3)).clip, every.clip[:, 1:2])
    detector.save_pretrained(tmp_path)
    assert Detector.from_pretrained(str(tmp_path)).classes == ["fin"]
    detector.answer(None)
    assert torch.equal(detector(noise(3)).clip, every.clip)


@pytest.mark.parametrize("answers", [{"sei": ["sei"]}, {"fin": []}])
def test_answers_of_classes_that_were_not_trained_are_refused(answers):
    with pytest.raises(InputError, match="answers cannot be had from"):
        tiny().answer(answers)


# The register


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"'small_cnm'; did you mean 'small_cnn'\?.*conformer.*timm:NAME"):
        tiny("small_cnm")


def test_a_network_of_pictures_refuses_a_waveform_and_the_other_way_round():
    sound, picture = Picture(1, 1, 3000, 1, 16000), Picture(1, 64, 94, 64, 2000)
    with pytest.raises(InputError, match="small_cnn hears a picture, not a waveform"):
        registry.backbone("small_cnn", sound)
    with pytest.raises(InputError, match="wav2vec2 hears a waveform, not a picture"):
        registry.backbone("wav2vec2", picture)


def test_options_that_a_network_does_not_have_are_refused():
    with pytest.raises(InputError, match="small_cnn takes no options of its own"):
        tiny(network={"depths": 3})


def test_a_registered_function_is_a_model_and_a_name_is_taken_once(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))

    @models.register
    def other_cnn(picture, width=32):
        """Another network.

        More of it.
        """
        return registry.backbone("small_cnn", picture, width=width)

    assert models.names()["other_cnn"] == "Another network."
    assert tiny("other_cnn").options["model"] == "other_cnn"
    with pytest.raises(ValueError, match="two networks are named 'other_cnn'"):
        models.register(other_cnn)


def test_every_model_is_listed_with_its_size_and_what_it_expects():
    listed = {line.name: line for line in models.listing()}
    assert list(listed) == list(models.names())
    assert all(len(line.says) > 20 for line in listed.values())
    assert listed["small_cnn"].parameters == sum(p.numel() for p in models.build(classes=["a"]).network.parameters())
    assert listed["timm:resnet50"].parameters > 2e7  # nothing that large was ever in memory
    assert listed["ast"].expects == "picture, pretrained on ast at 16 kHz"
    assert listed["wav2vec2"].expects == "waveform at 16 kHz"


@pytest.mark.parametrize("model", [entry.name for entry in models.entries() if entry.expects == "picture"])
def test_every_channel_of_a_picture_is_seen(model):
    picture = Picture(3, 36, 47, 64, 2000)
    with surroundings(model):
        network = registry.backbone(model, picture, width=8, depth=2, network=SMALL.get(model)).eval()
    x = torch.randn(2, 3, 36, 47, requires_grad=True)
    answer = network(x)
    assert answer.shape == (2, -(-47 // network.stride), network.dim)
    pull = torch.autograd.grad((answer * torch.randn_like(answer)).sum(), x)[0]
    assert (pull.abs().amax((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("channels", [4, 8, 12, 16])
def test_a_shortcut_that_steps_first_computes_as_a_strided_convolution(channels):
    from whalelib.models.cnn import Pointwise

    torch.manual_seed(0)
    own, plain = Pointwise(channels, 2 * channels, (2, 1)), nn.Conv2d(channels, 2 * channels, 1, (2, 1), bias=False)
    plain.load_state_dict(own.state_dict())
    picture = torch.randn(64, channels, 32, 118)
    said = own.to(memory_format=torch.channels_last)(picture.contiguous(memory_format=torch.channels_last))
    expected = plain(picture)
    torch.testing.assert_close(said, expected)
    said.square().sum().backward()  # as a strided convolution, channels last, this ended the process (torch 2.14)
    expected.square().sum().backward()
    torch.testing.assert_close(own.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-2)
