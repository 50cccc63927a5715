"""Augmentation: each one does what it says, by measurement; labels stay true; what is drawn can be drawn again."""

import re

import numpy as np
import pytest
import torch
from refusal import refused

from whalelib import augment
from whalelib.augment import AUGMENTATIONS, Augmentation, Augmenter, Labels, Surroundings, parse
from whalelib.augment.filters import BandFilter, Equaliser
from whalelib.augment.labels import cell_middles, moved, united
from whalelib.augment.spectra import bins
from whalelib.augment.vocoder import ShortSpectra

pytestmark = pytest.mark.usefixtures("one_thread")

RATE, SECONDS, CLIPS, CELLS, CLASSES = 2000, 2.0, 8, 80, 3
SAMPLES = round(RATE * SECONDS)
EACH = pytest.mark.parametrize("name", AUGMENTATIONS)
ON_SOUND = pytest.mark.parametrize("name", [n for n, cls in AUGMENTATIONS.items() if cls.stage == "waveform"])
AROUND = Surroundings(
    RATE, SECONDS, torch.from_numpy(np.random.default_rng(3).normal(0, 3000, (5, SAMPLES)).astype("int16"))
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def sound(clips=CLIPS, samples=SAMPLES):
    return 0.1 * torch.randn(clips, samples, generator=rng())


def tone(hz, clips=1, samples=SAMPLES, rate=RATE):
    """A tone that rises and dies away inside the clip, so that nothing is cut off at its ends."""
    t = torch.arange(samples) / rate
    hull = torch.exp(-0.5 * ((t - t.mean()) / 0.25) ** 2)
    return (hull * torch.sin(2 * torch.pi * hz * t)).repeat(clips, 1)


def picture(clips=CLIPS):
    return torch.randn(clips, 1, 32, 63, generator=rng(1))


def batch(clips=CLIPS):
    targets = (torch.rand(clips, CLASSES, generator=rng(2)) < 0.5).float()
    frames = torch.zeros(clips, CELLS, CLASSES, dtype=torch.int8)
    frames[:, 20:50] = targets[:, None].to(torch.int8)
    frames[0, :, 1] = -1
    targets[0, 1] = torch.nan
    return {
        "waveform": sound(clips),
        "targets": targets,
        "frames": frames,
        "weight": torch.rand(clips, generator=rng(4)),
    }


def one(entry, around=AROUND):
    return parse([entry])[0].build(around)


def sounds_like(entry, x, **drawn):
    """The sound after one entry with these numbers for every clip, or for each."""
    drawn = {k: torch.as_tensor(v, dtype=torch.float32).expand(len(x)) for k, v in drawn.items()}
    return one(entry).altered(x, drawn)


def draws(augmentation, clips=CLIPS):
    return augmentation.drawn(augment.Dice((5,), clips), np.arange(clips), torch.device("cpu"))


def everything(entry, **more):
    return Augmenter(entry if isinstance(entry, list) else [entry], sample_rate=RATE, clip_seconds=SECONDS,
                     background=AROUND.background, **more)  # fmt: skip


def always(name, settings=""):
    return f"{name} p=1 {settings}"


def input_of(augmentation, clips=CLIPS):
    return {"waveform": sound, "picture": picture}[augmentation.at](clips)


def frequency(x):
    """The middle of the power spectrum, in Hz."""
    power = torch.fft.rfft(x).abs().square()
    hz = torch.fft.rfftfreq(x.shape[-1], 1 / RATE)
    return (power * hz).sum(-1) / power.sum(-1)


def lasts(x):
    """How far the power of a sound is spread in time, in seconds."""
    t = torch.arange(x.shape[-1]) / RATE
    power = x.square() / x.square().sum(-1, keepdim=True)
    middle = (power * t).sum(-1, keepdim=True)
    return (power * (t - middle) ** 2).sum(-1).sqrt()


# All of them


def test_the_list_of_the_house_is_complete():
    assert set(AUGMENTATIONS) == {
        "gain", "polarity", "reverse", "gaussian_noise", "pink_noise", "coloured_noise", "background", "time_shift",
        "time_stretch", "speed", "pitch_shift", "equaliser", "band_filter", "mixup", "superpose", "time_mask",
        "frequency_mask", "crop_resize",
    }  # fmt: skip


@EACH
def test_defaults_can_be_written_as_an_entry(name):
    (entry,) = [line for line in augment.names() if line.split()[0] == name]
    (read,) = parse([entry])
    assert {k: str(v) for k, v in read.given.items()} == {k: str(v) for k, v in AUGMENTATIONS[name].settings.items()}
    assert len(augment.names()[entry]) > 10


@EACH
def test_a_clip_alone_is_changed_as_it_is_in_the_batch(name):
    augmentation = one(name)
    x = input_of(augmentation)
    drawn, rows = draws(augmentation), torch.arange(CLIPS)
    together = augmentation.change(x, rows, drawn)
    assert together.shape == x.shape
    assert not torch.equal(together, x)
    for k in range(CLIPS):
        alone = augmentation.change(x, rows[k : k + 1], {name: values[k : k + 1] for name, values in drawn.items()})
        torch.testing.assert_close(alone[0], together[k], rtol=1e-4, atol=1e-6)


@EACH
@pytest.mark.parametrize("samples", [SAMPLES, 3999, 601, 64])
def test_silence_stays_finite_and_lengths_stay(name, samples):
    around = Surroundings(RATE, samples / RATE, torch.zeros(2, samples, dtype=torch.int16))
    augmentation = one(name, around)
    sounds = torch.zeros(4, samples), sound(4, samples)
    for x in sounds if augmentation.at == "waveform" else (torch.zeros(4, 1, 9, 7),):
        new = augmentation.change(x, torch.arange(4), draws(augmentation, 4))
        assert new.shape == x.shape
        assert torch.isfinite(new).all()


@ON_SOUND
def test_silence_stays_silent(name):
    assert one(name).change(torch.zeros(4, SAMPLES), torch.arange(4), draws(one(name), 4)).abs().max() < 1e-6


@EACH
def test_the_batch_that_came_is_left_as_it_was(name):
    given, kept = batch(), batch()
    _, later = everything(always(name))(given, 0)
    later("picture", picture())
    for key, values in given.items():
        assert torch.equal(torch.nan_to_num(values.float(), 9), torch.nan_to_num(kept[key].float(), 9)), key


@EACH
def test_nothing_stays_behind_when_the_batch_is_on_another_device(name):
    """The meta device computes nothing, and refuses what is not on it as a GPU would."""
    augmenter = everything([always(name)] * 2)
    new, later = augmenter({k: v.to("meta") for k, v in batch().items()}, 0)
    assert {v.device.type for v in new.values()} == {"meta"}
    assert later("picture", picture().to("meta")).device.type == "meta"


@EACH
def test_only_the_clips_that_were_drawn_are_changed(name):
    augmenter = everything(f"{name} p=0.5")
    (chosen,) = augmenter.choose(64, torch.device("cpu"), step=3)
    assert 16 < len(chosen.rows) < 48
    x = input_of(chosen.augmentation, 64)
    changed = (chosen.on(x) != x).flatten(1).any(1).nonzero().flatten()
    assert set(changed.tolist()) <= set(chosen.rows.tolist())
    assert len(changed) > 0.8 * len(chosen.rows)  # a mask may be of no width
    assert everything(f"{name} p=0").choose(64, torch.device("cpu"), 3) == []


@EACH
def test_labels_stay_in_bounds_and_the_unknown_stays_unknown(name):
    new, _ = everything(always(name))(batch(), 0)
    for key in ("targets", "frames"):
        known = new[key][~new[key].isnan()]
        assert ((known >= 0) & (known <= 1)).all()
    if name not in ("mixup", "superpose"):
        assert new["targets"][0, 1].isnan()
        assert new["frames"][0, :, 1].isnan().all()
        assert torch.equal(new["weight"], batch()["weight"])


# Levels


def test_six_decibels_are_twice_as_loud():
    torch.testing.assert_close(sounds_like("gain", sound(), db=20.0), 10 * sound())
    torch.testing.assert_close(sounds_like("gain", sound(), db=-20 * np.log10(2)), sound() / 2)


def test_twice_upside_down_and_twice_backwards_is_as_it_was():
    for name in ("polarity", "reverse"):
        once = sounds_like(name, sound())
        assert not torch.equal(once, sound())
        assert torch.equal(sounds_like(name, once), sound())
    labels = Labels.of(batch())
    twice = one("reverse").relabelled(one("reverse").relabelled(labels, {}), {})
    torch.testing.assert_close(twice.frames, labels.frames, equal_nan=True)


# Noise


@pytest.mark.parametrize("name", ["gaussian_noise", "pink_noise", "coloured_noise", "background"])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_the_ratio_of_signal_to_noise_is_the_one_asked_for(name, offset):
    """A constant offset, as many recorders have it, is neither signal nor noise."""
    x, asked = sound() + offset, torch.linspace(-10, 25, CLIPS)
    noise = one(name).altered(x, {**draws(one(name)), "snr": asked}) - x
    measured = 10 * torch.log10(x.var(-1) / noise.var(-1))
    torch.testing.assert_close(measured, asked, atol=0.05, rtol=0)


@pytest.mark.parametrize(("name", "colour"), [("gaussian_noise", 0), ("pink_noise", 1), ("coloured_noise", 2),
                                              ("coloured_noise", -1)])  # fmt: skip
def test_noise_has_its_colour(name, colour):
    x = sound(200)
    drawn = draws(one(name), 200)
    noise = one(name).altered(x, {**drawn, "snr": torch.zeros(200), "colour": torch.full((200,), float(colour))}) - x
    power = torch.fft.rfft(noise).abs().square().mean(0)[4:-4].log2()
    octave = torch.arange(4, len(power) + 4).log2()
    slope = ((octave - octave.mean()) * (power - power.mean())).sum() / ((octave - octave.mean()) ** 2).sum()
    assert slope == pytest.approx(-colour, abs=0.1)


def test_white_noise_is_gaussian_and_another_at_every_step():
    x = sound(64)

    def noise(step):
        (chosen,) = everything(always("gaussian_noise", "snr=0")).choose(64, torch.device("cpu"), step)
        return chosen.on(x) - x

    first, second = noise(0), noise(1)
    standard = (first - first.mean()) / first.std()
    assert float((standard**4).mean()) == pytest.approx(3, abs=0.1)
    assert float((first * second).mean() / first.std() / second.std()) == pytest.approx(0, abs=0.02)


def test_background_is_the_sound_of_the_clips_given():
    noise = one("background").altered(sound(1), {"snr": torch.zeros(1), "which": torch.tensor([2]),
                                                 "place": torch.tensor([0])}) - sound(1)  # fmt: skip
    given = AROUND.background[2].float()
    assert float(torch.corrcoef(torch.stack([noise[0], given]))[0, 1]) > 0.9999


def test_background_without_noise_is_refused():
    refused(lambda: Augmenter(["background"], sample_rate=RATE, clip_seconds=SECONDS), "background_path")


# Time


def test_a_shift_moves_sound_and_frames_by_the_same():
    x, labels = torch.zeros(2, SAMPLES), Labels.of(batch(2))
    x[:, 1000:2500] = 1.0  # where the frames of the batch have their calls: cells 20 to 50
    for fill in ("roll", "silence"):
        for seconds in (0.25, -0.75, 1.2):
            drawn = {"seconds": torch.full((2,), seconds)}
            entry = one(f"time_shift fill={fill}")
            new, there = entry.altered(x, drawn), entry.relabelled(labels, drawn)
            middles = new[0, 25::50]  # of the cells
            for k in range(CLASSES):
                expected = middles if labels.targets[1, k] else torch.zeros(CELLS)
                known = ~there.frames[1, :, k].isnan()
                assert torch.equal(there.frames[1, known, k], expected[known])
                assert known.all() == (fill == "roll")


def test_a_call_that_was_moved_out_leaves_the_target_open():
    labels = Labels.of(batch())
    present = labels.targets == 1
    for seconds, lost in ((0.5, False), (1.0, False), (1.2, True), (1.9, True)):
        drawn = {"seconds": torch.full((CLIPS,), seconds)}
        gone = one("time_shift fill=silence").relabelled(labels, drawn)
        assert bool(gone.targets[present].isnan().all()) == lost
        assert bool(gone.targets[present].isnan().any()) == lost
        assert (gone.targets[labels.targets == 0] == 0).all()
        stays = one("time_shift fill=roll").relabelled(labels, drawn)
        torch.testing.assert_close(stays.targets, labels.targets, equal_nan=True)


def test_a_call_of_which_no_frame_is_known_keeps_its_target():
    labels = Labels(torch.ones(1, 1), torch.full((1, CELLS, 1), torch.nan), torch.ones(1))
    assert moved(labels, cell_middles(labels)[None] - 0.9).targets == 1


def test_speed_scales_pitch_and_length():
    for rate in (0.8, 0.9, 1.1, 1.25):
        new = sounds_like("speed rate=0.5..2", tone(200.0), rate=rate)
        assert float(frequency(new)) == pytest.approx(200 * rate, rel=1e-3)
        assert float(lasts(new) / lasts(tone(200.0))) == pytest.approx(1 / rate, rel=1e-3)


def test_speed_takes_out_what_would_fold_back_and_keeps_the_rest():
    """A tone at 0.9 of the highest frequency is gone at twice the speed and is exact at a slightly lower one."""
    assert sounds_like("speed rate=0.5..2", tone(900.0), rate=2.0).abs().max() < 1e-3
    t = torch.arange(SAMPLES) / RATE
    middle = (SAMPLES - 1) / 2 / RATE
    at = middle + (t - middle) * 0.95
    expected = torch.exp(-0.5 * ((at - t.mean()) / 0.25) ** 2) * torch.sin(2 * torch.pi * 700.0 * at)
    torch.testing.assert_close(sounds_like("speed", tone(700.0), rate=0.95)[0], expected, atol=5e-3, rtol=0)


def test_stretching_scales_length_and_keeps_pitch():
    for hz in (30.0, 200.0, 600.0):
        for rate in (0.8, 0.9, 1.1, 1.25):
            new = sounds_like("time_stretch", tone(hz), rate=rate)
            assert float(frequency(new)) == pytest.approx(hz, rel=0.01)
            assert float(lasts(new) / lasts(tone(hz))) == pytest.approx(1 / rate, rel=0.03)
            assert float(new.abs().max()) == pytest.approx(1.0, abs=0.1)


def test_pitch_shift_moves_the_frequency_and_keeps_the_length():
    for semitones in (-4.0, -1.0, 1.0, 4.0, 12.0):
        new = sounds_like("pitch_shift semitones=-12..12", tone(200.0), semitones=semitones)
        assert float(frequency(new)) == pytest.approx(200 * 2 ** (semitones / 12), rel=0.01)
        assert float(lasts(new) / lasts(tone(200.0))) == pytest.approx(1, rel=0.05)
        middle = (new.square() * torch.arange(SAMPLES)).sum() / new.square().sum() / RATE
        assert float(middle) == pytest.approx(SECONDS / 2, abs=0.02)


@pytest.mark.parametrize("entry", ["time_stretch", "speed", "pitch_shift"])
def test_a_rate_of_one_changes_nothing(entry):
    drawn = {"semitones": 0.0} if entry == "pitch_shift" else {"rate": 1.0}
    new = sounds_like(entry, sound(), **drawn)
    torch.testing.assert_close(new[:, 100:-100], sound()[:, 100:-100], atol=1e-4, rtol=0)


def test_slower_frames_take_longer():
    labels = Labels.of(batch(2))
    for name in ("speed", "time_stretch"):
        new = one(name).relabelled(labels, {"rate": torch.tensor([0.5, 0.5])})
        had, has = labels.frames[1].sum(0), new.frames[1].nansum(0)
        assert torch.equal(has, torch.where(labels.targets[1] == 1, 60.0, 0.0))
        assert had.max() == 30
        fast = one(name).relabelled(labels, {"rate": torch.tensor([2.0, 2.0])})
        assert torch.equal(fast.frames[1].nansum(0), had / 2)
        assert torch.equal(fast.targets[1], labels.targets[1])  # all of the call is there, in half the time
        assert fast.frames[1, 0].isnan().all()


def test_short_spectra_and_back_is_the_identity():
    for samples in (SAMPLES, 601, 130):
        short = ShortSpectra(256, torch.device("cpu"))
        torch.testing.assert_close(
            short.back(short.of(sound(2, samples)), samples), sound(2, samples), atol=1e-5, rtol=0
        )


# Filters


def test_the_equaliser_has_the_response_that_was_drawn():
    db = torch.tensor([[-6.0, 3.0, 0.0, 6.0, -3.0]])
    click = torch.zeros(1, SAMPLES)
    click[0, 2000] = 1.0
    response = 20 * torch.log10(torch.fft.rfft(one("equaliser").altered(click, {"db": db})).abs())[0]
    for k, octaves in enumerate(np.linspace(-6, 0, 5)):  # of its five points
        at = 2.0**octaves * SAMPLES / 2
        low, high = int(np.floor(at)), int(np.ceil(at))
        assert min(response[low], response[high]) - 0.2 <= db[0, k] <= max(response[low], response[high]) + 0.2
    assert torch.allclose(response[1:30], db[0, :1], atol=1e-3)
    assert Equaliser.curve(torch.tensor([2.0**-3.75]), db).item() == pytest.approx(1.5)


def test_the_band_filter_is_three_decibels_down_at_its_edges_and_steep_beyond():
    low, high = torch.tensor([0.1]), torch.tensor([0.5])
    at = torch.tensor([0.0, 0.05, 0.1, 0.22, 0.5, 1.0])
    found = 20 * torch.log10(BandFilter.response(at, low, high)[0])
    assert found[0] == -torch.inf
    assert found[1:].tolist() == pytest.approx([-24.1, -3.01, 0.0, -3.01, -24.1], abs=0.1)
    heard = sounds_like("band_filter", tone(50.0) + tone(300.0), low=0.1, high=0.5)
    torch.testing.assert_close(heard, tone(300.0), atol=0.08, rtol=0)
    assert (BandFilter.response(at, torch.zeros(1), torch.ones(1))[0, :4] > 0.99).all()


def test_bins_end_at_half_the_sample_rate():
    assert bins(8, torch.device("cpu")).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


# Mixing


@pytest.mark.parametrize("at", augment.STAGES)
def test_mixup_mixes_sound_labels_and_weights_in_one_proportion(at):
    given = batch()
    augmenter = everything(always("mixup", f"alpha=1 at={at}"))
    (chosen,) = augmenter.choose(CLIPS, torch.device("cpu"), step=0)
    x = {"waveform": given["waveform"], "picture": picture(), "embedding": torch.randn(CLIPS, 9, 4)}[at]
    new, later = augmenter(given, 0)
    found = new["waveform"] if at == "waveform" else later(at, x)
    share, other = chosen.drawn["share"], chosen.drawn["partner"]
    assert (other != torch.arange(CLIPS)).all()
    frames = Labels.of(given).frames
    for mixed, values in ((found, x), (new["targets"], given["targets"]), (new["frames"], frames),
                          (new["weight"], given["weight"])):  # fmt: skip
        part = share.reshape(-1, *[1] * (values.dim() - 1))
        torch.testing.assert_close(mixed, part * values + (1 - part) * values[other], equal_nan=True)
    touched = (torch.arange(CLIPS) == 0) | (other == 0)
    assert torch.equal(new["targets"][:, 1].isnan(), touched)


def test_the_weights_of_mixup_follow_its_distribution():
    for alpha in (0.2, 2.0):
        (chosen,) = everything(always("mixup", f"alpha={alpha}")).choose(4000, torch.device("cpu"), 0)
        share = chosen.drawn["share"]
        assert float(share.mean()) == pytest.approx(0.5, abs=0.03)
        assert float(share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


@pytest.mark.parametrize("at", augment.STAGES)
def test_superposed_clips_have_the_labels_of_both(at):
    augmenter = everything(always("superpose", f"at={at}"))
    (chosen,) = augmenter.choose(CLIPS, torch.device("cpu"), step=0)
    new, _ = augmenter(batch(), 0)
    targets, other = batch()["targets"], chosen.drawn["partner"]
    for k in range(CLIPS):
        for c in range(CLASSES):
            a, b = float(targets[k, c]), float(targets[other[k], c])
            expected = 1.0 if 1.0 in (a, b) else a + b  # NaN with 0 is NaN
            assert new["targets"][k, c] == pytest.approx(expected, nan_ok=True)
    weight = batch()["weight"]
    assert torch.equal(new["weight"], torch.minimum(weight, weight[other]))


def test_a_superposed_clip_is_softer_by_what_was_drawn():
    x, asked = sound(), torch.linspace(-6, 6, CLIPS)
    partner = (torch.arange(CLIPS) + 1) % CLIPS
    new = one("superpose").change(x, torch.arange(CLIPS), {"snr": asked, "partner": partner})
    torch.testing.assert_close(10 * torch.log10(x.var(-1) / (new - x).var(-1)), asked, atol=1e-3, rtol=0)


def test_no_call_is_there_only_if_none_is_in_either():
    def labels(*targets):
        return Labels(torch.tensor([targets]), torch.tensor([[targets]]), torch.ones(1))

    nan = torch.nan
    for a, b, expected in (
        ((1.0, 0.0), (0.0, 1.0), (1.0, 0.0)),
        ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
        ((nan, nan), (0.0, 1.0), (nan, nan)),
        ((nan, nan), (1.0, 0.0), (1.0, 0.0)),
    ):
        union = united(labels(*a), labels(*b), empty_class=1)
        torch.testing.assert_close(union.targets[0], torch.tensor(expected), equal_nan=True)
        torch.testing.assert_close(union.frames[0, 0], torch.tensor(expected), equal_nan=True)


def test_a_clip_alone_in_its_batch_is_mixed_with_itself():
    new, _ = everything(always("mixup"))(batch(1), 0)
    torch.testing.assert_close(new["waveform"], batch(1)["waveform"])


# Pictures


def test_time_masks_cover_what_they_say_and_nothing_else():
    entry, x = one("time_mask count=1"), picture()
    drawn = {"width": torch.full((CLIPS, 1), 0.5), "place": torch.linspace(0, 0.999, CLIPS)[:, None]}
    new = entry.altered(x, drawn)
    covered = (new == x.mean((2, 3), keepdim=True)).all(2)[:, 0]
    assert covered.sum(1).tolist() == [round(0.5 / SECONDS * 63)] * CLIPS
    assert covered[0, 0]
    assert covered[-1, -1]
    untouched = ~covered[:, None, None, :].expand_as(x)
    assert torch.equal(new[untouched], x[untouched])
    for row in covered:  # in one piece
        assert (row[1:] != row[:-1]).sum() <= 2


def test_frequency_masks_cover_bands():
    entry, x = one("frequency_mask count=2"), picture()
    drawn = {"width": torch.full((CLIPS, 2), 0.25), "place": torch.tensor([[0.0, 0.999]] * CLIPS)}
    new = entry.altered(x, drawn)
    covered = (new == x.mean((2, 3), keepdim=True)).all(3)[:, 0]
    assert covered.sum(1).tolist() == [16] * CLIPS
    assert covered[:, :8].all()
    assert covered[:, -8:].all()
    assert torch.equal(new[:, :, 8:24], x[:, :, 8:24])


def test_masks_keep_to_their_widest():
    for name, axis, widest in (("time_mask seconds=0..0.2 count=1 p=1", 2, 0.2 / SECONDS * 63),
                               ("frequency_mask share=0..0.1 count=1 p=1", 3, 3.2)):  # fmt: skip
        (chosen,) = everything(name).choose(200, torch.device("cpu"), 0)
        x = picture(200)
        covered = (chosen.on(x) != x).all(axis)[:, 0].sum(1)
        assert 0 == covered.min() < covered.max() <= np.ceil(widest)


def test_a_cropped_picture_is_the_part_that_was_drawn():
    ramp = torch.linspace(0, 1, 63).expand(1, 1, 32, 63) + 10 * torch.linspace(0, 1, 32)[:, None]
    drawn = {"time": 0.5, "left": 1.0, "bands": 0.8, "bottom": 0.5}
    new = one("crop_resize").altered(ramp, {k: torch.tensor([v]) for k, v in drawn.items()})
    expected = torch.linspace(0.5, 1, 63) + 10 * torch.linspace(0.1, 0.9, 32)[:, None]
    torch.testing.assert_close(new[0, 0], expected, atol=1e-4, rtol=0)


def test_frames_follow_a_cropped_picture():
    labels = Labels.of(batch())
    half = {"time": torch.full((CLIPS,), 0.5), "left": torch.full((CLIPS,), 0.5)}
    new = one("crop_resize").relabelled(labels, half)  # cells 20 to 60 are all of it now; calls were 20 to 50
    assert torch.equal(new.frames[1].sum(0), 60 * labels.targets[1])
    torch.testing.assert_close(new.targets, labels.targets, equal_nan=True)


# The list


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("pink_nois", ["'pink_nois'", "did you mean 'pink_noise'?"]),
        ("qqqq", ["'qqqq'", "whalelib augmentations"]),
        ("", ["no augmentation ''"]),
        ("gain bd=3", ["gain has no setting 'bd'", "did you mean 'db'?"]),
        ("gain zzz=3", ["'zzz'", "it takes p, db"]),
        ("gain db", ["gives db no value", "db=-6..6"]),
        ("gain db=1 db=2", ["sets db twice"]),
        ("gain db=loud", ["db of the augmentation gain cannot be 'loud'", "a range such as -6..6"]),
        ("gain db=6..-6", ["from high to low", "-6..6"]),
        ("gain db=1..2..3", ["'1..2..3'"]),
        ("gain db=nan", ["'nan'"]),
        ("gain db=0..500", ["within -120 and 120 dB"]),
        ("gain p=1.5", ["p of the augmentation gain cannot be '1.5'", "from 0 to 1"]),
        ("equaliser points=2.5", ["a whole number from 1 to 64"]),
        ("mixup at=nowhere", ["one of waveform, picture, embedding"]),
    ],
)
def test_an_entry_that_cannot_be_is_one_sentence(entry, words):
    refused(lambda: parse(["gain", entry]), *words)


def test_entries_are_read_as_they_are_written():
    (first, second) = parse(["pink_noise p=0.5 snr=3..20", "speed rate=0.9/1.1"])
    assert str(first.given["snr"]) == "3..20"
    dice = augment.Dice((0,), 1000)
    assert set(np.round(second.given["rate"].draw(dice), 6)) == {0.9, 1.1}
    drawn = first.given["snr"].draw(dice)
    assert 3 <= drawn.min() < 4
    assert 19 < drawn.max() < 20
    assert set(parse(["gain db=3"])[0].given["db"].draw(dice)) == {3.0}


def test_two_augmentations_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two augmentations"):
        augment.register("gain")(type("Another", (Augmentation,), {}))


def test_waveforms_come_before_pictures_whatever_the_order_of_the_list():
    order = [
        a.name for a in everything(["mixup at=embedding", "time_mask", "gain", "crop_resize", "reverse"]).augmentations
    ]
    assert order == ["gain", "reverse", "time_mask", "crop_resize", "mixup"]


# Chance

LIST = ["gain", "pink_noise", "time_stretch p=0.3", "superpose", "time_mask", "mixup at=embedding"]


def heard(augmenter, step, clips=CLIPS, **more):
    new, later = augmenter(batch(clips), step, **more)
    return new["waveform"], later("picture", picture(clips)), new["targets"]


def same(a, b):
    return all(torch.equal(torch.nan_to_num(x, 9), torch.nan_to_num(y, 9)) for x, y in zip(a, b, strict=True))


def test_what_is_drawn_depends_on_seed_step_rank_and_part_alone():
    first = heard(everything(LIST, seed=1), 5)
    torch.manual_seed(0), np.random.seed(0)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    went_on = everything(LIST, seed=1)
    for step in range(4):
        heard(went_on, step)
    assert same(heard(went_on, 5), first)  # the steps before do not matter
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert not same(heard(went_on, 5), first)  # a second batch of the same step is another part of it
    for other in (heard(everything(LIST, seed=2), 5), heard(everything(LIST, seed=1), 6),
                  heard(everything(LIST, seed=1), 5, rank=1)):  # fmt: skip
        assert not same(other, first)


def test_a_clip_draws_the_same_in_a_smaller_batch():
    for name in set(AUGMENTATIONS) - {"mixup", "superpose"}:
        augmenter = everything(name)
        many, few = (augmenter.choose(n, torch.device("cpu"), 4) for n in (CLIPS, CLIPS - 3))
        kept = many[0].rows < CLIPS - 3
        assert torch.equal(many[0].rows[kept], few[0].rows)
        for key, values in few[0].drawn.items():
            assert torch.equal(many[0].drawn[key][kept], values), (name, key)


def test_out_of_training_nothing_is_changed():
    given = batch()
    new, later = everything([always(n) for n in AUGMENTATIONS]).eval()(given, 0)
    assert all(new[key] is given[key] for key in given)
    assert later("picture", given["waveform"]) is given["waveform"]


def test_a_batch_in_parts_is_refused_behind_the_front_end():
    _, later = everything(always("time_mask"))(batch(), 0)
    refused(lambda: later("picture", picture(CLIPS // 2)), "in parts", "torchrun")


def test_gradients_go_through_to_a_front_end_that_learns():
    _, later = everything([always(n) for n in ("time_mask", "crop_resize", "mixup", "superpose")] +
                          [always("mixup", "at=picture")])(batch(), 0)  # fmt: skip
    x = picture().requires_grad_()
    later("picture", x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad != 0).any()


def test_the_command_line_lists_every_augmentation():
    from typer.testing import CliRunner

    from whalelib.cli import app

    shown = CliRunner().invoke(app, ["augmentations"])
    assert shown.exit_code == 0
    assert re.findall(r"^(\w+) p=", shown.output, re.MULTILINE) == list(AUGMENTATIONS)
