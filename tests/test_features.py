"""The front end: equal to librosa, deaf to gain, finite on silence, and clear about knobs that do not fit."""

import numpy as np
import pytest
import torch

from whalelib import features
from whalelib.errors import InputError
from whalelib.features import LogMel, mel_filters

# sample rate, window, hop, bands, lowest and highest frequency; the third window is an odd number of samples
KNOBS = [
    (600, 0.5, 0.05, 16, 10.0, 290.0),
    (2000, 0.256, 0.032, 40, 10.0, 950.0),
    (2000, 0.2505, 0.03, 32, 0.0, 1000.0),
    (4000, 0.256, 0.032, 48, 20.0, 2000.0),
    (11025, 0.1, 0.01, 64, 50.0, 5000.0),
    (16000, 0.064, 0.016, 40, 50.0, 8000.0),
    (44100, 0.05, 0.0125, 64, 30.0, 20000.0),
    (48000, 0.1, 0.02, 80, 10.0, 24000.0),
]
NORMALISE = ("none", "clip", "band")


def noise(clips, samples, seed=0):
    drawn = np.random.default_rng(seed).normal(0, 0.1, (clips, samples))
    return torch.from_numpy(drawn.astype(np.float32))


def front_end(knobs, **more):
    rate, window, hop, bands, low, high = knobs
    return LogMel(rate, window, hop, bands, low, high, **{"mel_break_hz": 700.0, **more})


# Equal to the reference


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda k: f"{k[0]}Hz")
def test_filters_are_those_of_librosa(knobs):
    import librosa

    rate, window, _, bands, low, high = knobs
    n_fft = round(window * rate)
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high, htk=True, norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(mel_filters(rate, n_fft, bands, low, high), expected.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda k: f"{k[0]}Hz")
def test_power_equals_librosa(knobs):
    import librosa

    rate, _, _, bands, low, high = knobs
    module = front_end(knobs, normalise="none")
    waveform = noise(2, int(2.5 * rate))
    decibels = module(waveform)[:, 0].double().numpy()
    expected = librosa.feature.melspectrogram(
        y=waveform.double().numpy(), sr=rate, n_fft=module.n_fft, hop_length=module.hop, n_mels=bands, fmin=low,
        fmax=high, htk=True, norm=None, power=2.0, center=True, pad_mode="reflect", dtype=np.float64,
    )  # fmt: skip
    np.testing.assert_allclose(10 ** (decibels / 10), expected, rtol=1e-5)


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda k: f"{k[0]}Hz")
@pytest.mark.parametrize("hops", [20, 20.01, 20.99])
def test_frames_is_the_width_of_the_picture(knobs, hops):
    module = front_end(knobs)
    samples = int(hops * module.hop)
    assert module(noise(1, samples)).shape == (1, 1, module.bands, module.frames(samples))


def test_frame_t_is_centred_on_t_hops():
    module = LogMel(2000, normalise="none")
    clicks = torch.zeros(3, 6000)
    for row, frame in enumerate((5, 40, 80)):
        clicks[row, frame * module.hop] = 1.0
    assert module(clicks).sum((1, 2)).argmax(1).tolist() == [5, 40, 80]


@pytest.mark.parametrize("hz", [60.0, 131.0, 250.0, 402.0, 555.0, 707.0, 905.0])
def test_a_sine_lights_the_band_whose_centre_is_nearest(hz):
    module = LogMel(2000, n_mels=32, normalise="none")
    ends = np.log1p(10.0 / 100.0), np.log1p(950.0 / 100.0)
    centres = 100.0 * np.expm1(np.linspace(*ends, 34))[1:-1]
    sine = torch.sin(2 * torch.pi * hz * torch.arange(6000, dtype=torch.float64) / 2000).float()
    assert int(module(sine[None]).mean(-1).argmax()) == np.abs(centres - hz).argmin()


# Gain and silence


def test_ten_times_the_amplitude_is_twenty_decibels_more():
    module, waveform = LogMel(2000, normalise="none"), noise(2, 6000)
    torch.testing.assert_close(module(10 * waveform), module(waveform) + 20, atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalise", ["clip", "band"])
def test_gain_is_not_seen_in_a_normalised_picture(normalise):
    module, waveform = LogMel(2000, normalise=normalise), noise(2, 6000)
    torch.testing.assert_close(module(0.01 * waveform), module(waveform), atol=1e-3, rtol=0)


def test_band_takes_out_a_steady_tone_and_clip_does_not():
    tone = torch.sin(2 * torch.pi * 200 * torch.arange(6000) / 2000)[None]
    waveform = noise(1, 6000) + tone
    by_band = {n: LogMel(2000, normalise=n)(waveform).mean(-1).abs().max() for n in ("clip", "band")}
    assert by_band["band"] < 1e-4
    assert by_band["clip"] > 1


@pytest.mark.parametrize("normalise", NORMALISE)
def test_silence_is_an_even_finite_picture(normalise):
    picture = LogMel(2000, normalise=normalise)(torch.zeros(2, 6000))
    expected = -100.0 if normalise == "none" else 0.0
    assert torch.equal(picture, torch.full_like(picture, expected))


# Batches, devices, precision


@pytest.mark.parametrize("normalise", NORMALISE)
def test_a_row_alone_equals_the_row_in_a_batch(normalise):
    module, waveform = LogMel(2000, normalise=normalise), noise(20, 4000)
    waveform[3] *= 100  # a loud neighbour must not be heard
    together = module(waveform)
    for row in (0, 3, 17):
        torch.testing.assert_close(module(waveform[row : row + 1])[0], together[row], atol=1e-4, rtol=1e-5)


def test_the_size_of_the_blocks_does_not_matter(monkeypatch):
    module, waveform = LogMel(2000), noise(10, 4000)
    expected = module(waveform)
    for block in (1, 3, 10, 1000):
        monkeypatch.setattr(features, "_BLOCK", block)
        torch.testing.assert_close(module(waveform), expected, atol=1e-4, rtol=1e-5)


def test_stays_in_single_precision_inside_autocast():
    module, waveform = LogMel(2000), noise(2, 4000)
    expected = module(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        picture = module(waveform.bfloat16().float())
        exact = module(waveform)
    assert picture.dtype == exact.dtype == torch.float32
    assert torch.equal(exact, expected)


def test_constants_move_with_the_module_and_are_not_saved():
    module = LogMel(2000)
    assert set(dict(module.named_buffers())) == {"filters", "window"}
    assert module.state_dict() == {}
    assert {b.device.type for b in module.to("meta").buffers()} == {"meta"}


# Knobs that do not fit


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"n_mels": 500}, ["lower n_mels", "window_seconds", "holds no frequency bin"]),
        ({"band_high_hz": 1200.0}, ["1000 Hz", "band_high_hz"]),
        ({"band_low_hz": 960.0}, ["960 to 950 Hz", "band_low_hz"]),
        ({"band_low_hz": -5.0}, ["band_low_hz"]),
        ({"hop_seconds": 0.0}, ["hop_seconds", "lengthen"]),
        ({"hop_seconds": 0.0001}, ["hop_seconds", "lengthen"]),
        ({"window_seconds": 0.0001}, ["window_seconds", "lengthen"]),
        ({"normalise": "loud"}, ["'loud'", "none, clip, band"]),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_a_knob_that_does_not_fit_is_named(knobs, words):
    with pytest.raises(InputError) as error:
        LogMel(2000, **knobs)
    assert all(word in str(error.value) for word in words)


def test_a_clip_shorter_than_half_a_window_is_refused():
    module = LogMel(2000)
    assert module(noise(1, module.n_fft // 2 + 1)).isfinite().all()
    with pytest.raises(InputError, match="pad the clip or shorten window_seconds"):
        module(noise(1, module.n_fft // 2))
