"""The front end: equal to librosa, AST and Whisper, deaf to gain, finite on silence, clear about what does not fit."""

import librosa
import numpy as np
import pytest
import scipy
import torch

from whalelib import features, filters
from whalelib.errors import InputError
from whalelib.features import PCEN, Spectrogram, spectrum

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
BY_RATE = pytest.mark.parametrize("knobs", KNOBS, ids=lambda k: f"{k[0]}Hz")
NORMALISE = ("none", "clip", "channel", "frequency", "band", "minmax")
# One front end of every kind, for what all of them must obey.
KINDS = {
    "mel": {},
    "slaney": {"mel_scale": "slaney", "filter_height": "area", "compress": "log", "n_mels": 32},
    "linear": {"front_end": "linear", "top_db": 60.0},
    "mfcc": {"front_end": "mfcc", "n_mfcc": 20, "normalise": "frequency"},
    "both": {"front_end": "mel+mfcc", "normalise": "channel", "deltas": 2},
    "pcen": {"compress": "pcen", "deltas": 1},
    "power": {"compress": "power", "normalise": "minmax"},
    "resized": {"picture_bands": 24, "picture_frames": 40},
    "dclde": {"front_end": "dclde"},
    "ast": {"front_end": "ast"},
    "whisper": {"front_end": "whisper"},
    "waveform": {"front_end": "waveform"},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def noise(clips, samples, seed=0):
    drawn = np.random.default_rng(seed).normal(0, 0.1, (clips, samples))
    return torch.from_numpy(drawn.astype(np.float32))


def mel(knobs, **more):
    rate, window, hop, bands, low, high = knobs
    return Spectrogram(
        rate, 2.5, window_seconds=window, hop_seconds=hop, n_mels=bands, band_low_hz=low, band_high_hz=high,
        **{"mel_scale": "htk", "normalise": "none", **more},
    )  # fmt: skip


def of_kind(kind):
    """A front end, the clip it is made for, and noise of that length."""
    rate, seconds = (16000, 1.0) if kind in ("ast", "whisper", "waveform") else (2000, 3.0)
    return features.build(rate, seconds, **KINDS[kind]), noise(3, int(rate * seconds))


def librosa_power(module, waveform, knobs, htk=True, norm=None):
    """In double precision, so that what differs is our rounding."""
    rate, _, _, bands, low, high = knobs
    return librosa.feature.melspectrogram(
        y=waveform.double().numpy(), sr=rate, n_fft=module.spectrum.n_fft, hop_length=module.hop, n_mels=bands,
        fmin=low, fmax=high, htk=htk, norm=norm, power=2.0, center=True, pad_mode="reflect", dtype=np.float64,
    )  # fmt: skip


# Equal to librosa


@BY_RATE
@pytest.mark.parametrize(("scale", "height"), [("htk", "peak"), ("slaney", "area")])
def test_filters_are_those_of_librosa(knobs, scale, height):
    rate, window, _, bands, low, high = knobs
    n_fft = round(window * rate)
    norm = "slaney" if height == "area" else None
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high, htk=scale == "htk", norm=norm, dtype=np.float64
    )
    found = filters.triangles(rate, n_fft, bands, low, high, scale=scale, height=height)
    np.testing.assert_allclose(found, expected.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", filters.SCALES)
def test_a_scale_and_back_is_where_one_was(scale):
    hz = np.array([0.0, 12.5, 100.0, 999.0, 1000.0, 1001.0, 20000.0])
    np.testing.assert_allclose(filters.from_scale(filters.to_scale(hz, scale), scale), hz, rtol=1e-12, atol=1e-9)


@BY_RATE
def test_power_equals_librosa(knobs):
    module, waveform = mel(knobs, compress="power"), noise(2, int(2.5 * knobs[0]))
    np.testing.assert_allclose(module(waveform)[:, 0], librosa_power(module, waveform, knobs), rtol=1e-5)


@BY_RATE
def test_slaney_decibels_equal_librosa(knobs):
    module = mel(knobs, mel_scale="slaney", filter_height="area", top_db=20.0)
    waveform = noise(2, int(2.5 * knobs[0]))
    for row, picture in zip(waveform, module(waveform)[:, 0], strict=True):
        power = librosa_power(module, row, knobs, htk=False, norm="slaney")
        np.testing.assert_allclose(picture, librosa.power_to_db(power, top_db=20.0), rtol=1e-5, atol=2e-4)


@BY_RATE
def test_natural_logarithm_equals_numpy(knobs):
    module, waveform = mel(knobs, compress="log"), noise(1, int(2.5 * knobs[0]))
    np.testing.assert_allclose(module(waveform)[:, 0], np.log(librosa_power(module, waveform, knobs)), rtol=1e-5)


@BY_RATE
def test_coefficients_equal_librosa(knobs):
    module = mel(knobs, front_end="mfcc", n_mfcc=13, top_db=80.0)
    waveform = noise(1, int(2.5 * knobs[0]))
    level = librosa.power_to_db(librosa_power(module, waveform[0], knobs), top_db=80.0)
    expected = librosa.feature.mfcc(S=level, n_mfcc=13)
    np.testing.assert_allclose(module(waveform)[0, 0], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("order", [1, 2])
def test_deltas_equal_librosa(order):
    module, waveform = Spectrogram(2000, deltas=order, normalise="none"), noise(1, 6000)
    picture = module(waveform)[0].double().numpy()
    expected = librosa.feature.delta(picture[0], order=order)
    np.testing.assert_allclose(picture[order], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@BY_RATE
def test_pcen_equals_librosa(knobs):
    module = mel(knobs, compress="pcen", pcen_seconds=0.3)
    waveform = noise(1, int(2.5 * knobs[0]))
    waveform[:, : waveform.shape[1] // 2] *= 0.01
    power = mel(knobs, compress="power")(waveform)[0, 0].double().numpy()
    smoothing = module.pcen.smoothing
    start = scipy.signal.lfilter_zi([smoothing], [1, smoothing - 1]) * power[:, :1]  # as if it had always been so
    expected = librosa.pcen(
        power, sr=knobs[0], hop_length=module.hop, time_constant=0.3, gain=0.98, bias=2.0, power=0.5, eps=1e-6, zi=start
    )
    np.testing.assert_allclose(module(waveform)[0, 0], expected, rtol=5e-6)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("trainable", [False, True])
def test_pcen_of_any_power_equals_librosa(power, trainable):
    energy = np.abs(np.random.default_rng(0).normal(0, 1, (5, 300))) * np.logspace(-8, 0, 300)
    energy = energy.astype(np.float32).astype(np.float64)
    module = PCEN(5, 30.0, gain=0.7, bias=1.5, power=power, trainable=trainable)
    start = scipy.signal.lfilter_zi([module.smoothing], [1, module.smoothing - 1]) * energy[:, :1]
    expected = librosa.pcen(
        energy, sr=30, hop_length=1, time_constant=0.4, gain=0.7, bias=1.5, power=power, eps=1e-6, zi=start
    )
    found = module(torch.from_numpy(energy[None].astype(np.float32)))[0].detach()
    np.testing.assert_allclose(found, expected, rtol=5e-6)


# Equal to the extractors of published models


def test_the_ast_preset_equals_its_extractor():
    from transformers import ASTFeatureExtractor

    module, waveform = features.build(16000, front_end="ast"), noise(2, 16000 * 3)
    frames = module.frames(waveform.shape[1])
    extract = ASTFeatureExtractor(max_length=frames)
    expected = extract(list(waveform.numpy()), sampling_rate=16000, return_tensors="np")["input_values"]
    np.testing.assert_allclose(module(waveform)[:, 0].transpose(1, 2), expected, atol=1e-4)


@pytest.mark.parametrize("bands", [80, 128])
def test_the_whisper_preset_equals_its_extractor(bands):
    from transformers import WhisperFeatureExtractor

    module = features.WhisperLogMel(bands=bands)
    waveform = noise(2, 16000 * 30)
    waveform[1, 16000 * 10 :] = 0  # the extractor fills clips up with silence
    expected = WhisperFeatureExtractor(feature_size=bands)(
        list(waveform.numpy()), sampling_rate=16000, return_tensors="np"
    )["input_features"]
    np.testing.assert_allclose(module(waveform)[:, 0], expected, atol=1e-5)


def test_the_waveform_is_normalised_as_wav2vec2_wants_it():
    from transformers import Wav2Vec2FeatureExtractor

    module, waveform = features.build(16000, front_end="waveform"), noise(2, 16000) + 0.3
    expected = Wav2Vec2FeatureExtractor(do_normalize=True)(
        list(waveform.numpy()), sampling_rate=16000, return_tensors="np"
    )["input_values"]
    np.testing.assert_allclose(module(waveform)[:, 0, 0], expected, atol=1e-5)


def test_the_dclde_preset_sees_its_band_alone():
    module = features.build(2000, 3.0, front_end="dclde", band_low_hz=100.0, normalise="none")
    assert (module.spectrum.n_fft, module.hop, module.bands) == (256, 100, 41)
    for hz, row in ((39.0625, 0), (195.3125, 20), (351.5625, 40)):
        sine = torch.sin(2 * torch.pi * hz * torch.arange(6000, dtype=torch.float64) / 2000).float()
        assert int(module(sine[None])[0, 0].mean(-1).argmax()) == row


# Times and frequencies


@EVERY_KIND
def test_the_picture_has_the_shape_that_is_said(kind):
    module, waveform = of_kind(kind)
    for samples in (waveform.shape[1], waveform.shape[1] * 2 // 3):
        picture = module(waveform[:, :samples])
        assert picture.shape == (3, module.channels, module.bands, module.frames(samples))


@BY_RATE
@pytest.mark.parametrize("hops", [20, 20.01, 20.99])
def test_frames_is_the_width_of_the_picture(knobs, hops):
    module = mel(knobs)
    samples = int(hops * module.hop)
    assert module(noise(1, samples)).shape == (1, 1, module.bands, module.frames(samples))


@pytest.mark.parametrize("columns", [0, 30, 94, 150])
def test_frame_t_is_centred_on_t_hops(columns):
    module = Spectrogram(2000, 3.0, normalise="none", picture_frames=columns)
    clicks = torch.zeros(3, 6000)
    for row, frame in enumerate((5, 12, 25)):
        clicks[row, round(frame * module.hop)] = 1.0
    assert module(clicks).sum((1, 2)).argmax(1).tolist() == [5, 12, 25]


@pytest.mark.parametrize("hz", [60.0, 131.0, 250.0, 402.0, 555.0, 707.0, 905.0])
def test_a_sine_lights_the_band_whose_centre_is_nearest(hz):
    module = Spectrogram(2000, n_mels=32, normalise="none")
    ends = np.log1p(10.0 / 100.0), np.log1p(950.0 / 100.0)
    centres = 100.0 * np.expm1(np.linspace(*ends, 34))[1:-1]
    sine = torch.sin(2 * torch.pi * hz * torch.arange(6000, dtype=torch.float64) / 2000).float()
    assert int(module(sine[None]).mean(-1).argmax()) == np.abs(centres - hz).argmin()


def test_resizing_keeps_an_even_picture_even_and_a_slope_straight():
    module = Spectrogram(2000, 3.0, picture_bands=100, picture_frames=50).resize
    assert torch.allclose(module(torch.ones(1, 64, 94)), torch.ones(1, 100, 50), atol=1e-6)
    slope = torch.arange(64.0)[:, None].expand(64, 94)
    assert torch.allclose(module(slope)[:, 3], torch.linspace(0, 63, 100), atol=1e-4)


# Gain, silence, numbers that are none


def test_ten_times_the_amplitude_is_twenty_decibels_more():
    module, waveform = Spectrogram(2000, normalise="none"), noise(2, 6000)
    torch.testing.assert_close(module(10 * waveform), module(waveform) + 20, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("front_end", "normalise"),
    [("mel", n) for n in NORMALISE[1:]] + [("mfcc", "frequency"), ("mfcc", "band"), ("mel+mfcc", "frequency")],
)
def test_gain_is_not_seen_in_a_normalised_picture(front_end, normalise):
    module, waveform = Spectrogram(2000, front_end=front_end, normalise=normalise), noise(2, 6000)
    torch.testing.assert_close(module(0.01 * waveform), module(waveform), atol=2e-3, rtol=0)


def test_pcen_is_deaf_to_gain():
    module, waveform = PCEN(64, 31.25, gain=1.0, eps=1e-12), noise(2, 6000)
    energy = Spectrogram(2000, compress="power", normalise="none")(waveform)[:, 0]
    torch.testing.assert_close(module(1000 * energy), module(energy), rtol=1e-4, atol=1e-5)


def test_band_takes_out_a_steady_tone_and_clip_does_not():
    tone = torch.sin(2 * torch.pi * 200 * torch.arange(6000) / 2000)[None]
    waveform = noise(1, 6000) + tone
    by_band = {n: Spectrogram(2000, normalise=n)(waveform).mean(-1).abs().max() for n in ("clip", "band")}
    assert by_band["band"] < 1e-4
    assert by_band["clip"] > 1


def test_each_normalisation_does_what_it_says():
    waveform = noise(2, 6000) * torch.linspace(0.1, 1, 6000)
    made = {n: Spectrogram(2000, front_end="mel+mfcc", normalise=n)(waveform) for n in NORMALISE}
    over = {"clip": (1, 2, 3), "channel": (2, 3), "frequency": (3,)}
    for kind, axes in over.items():
        assert made[kind].mean(axes).abs().max() < 1e-3
        torch.testing.assert_close(
            made[kind].square().mean(axes), torch.ones_like(made[kind].mean(axes)), rtol=1e-3, atol=0
        )
    assert (made["minmax"].amin((1, 2, 3)) == 0).all()
    torch.testing.assert_close(made["minmax"].amax((1, 2, 3)), torch.ones(2))
    # The least of the raw picture is the least of the normalised one: nothing is turned upside down.
    for kind in ("clip", "minmax"):
        assert torch.equal(made[kind].flatten(1).argmax(1), made["none"].flatten(1).argmax(1))


def test_dataset_normalisation_is_learnt_once_and_saved():
    module, waveform = Spectrogram(2000, normalise="dataset", n_mels=16), noise(50, 6000)
    waveform *= torch.logspace(-2, 0, 50)[:, None]
    assert not module.normalise.fitted
    with pytest.raises(InputError, match="does not know the data set yet"):
        module(waveform)
    module.fit(waveform)
    assert module.normalise.fitted
    picture = module(waveform)
    assert picture.mean((0, 3)).abs().max() < 1e-4
    torch.testing.assert_close(picture.std((0, 3), correction=0), torch.ones(1, 16), rtol=1e-3, atol=0)
    again = Spectrogram(2000, normalise="dataset", n_mels=16)
    again.load_state_dict(module.state_dict())
    again.fit(waveform[:1])  # what is known stays
    assert torch.equal(again(waveform), picture)


@pytest.mark.parametrize("compress", ["db", "log", "pcen", "power"])
@pytest.mark.parametrize("normalise", NORMALISE)
def test_silence_is_an_even_finite_picture(normalise, compress):
    picture = Spectrogram(2000, normalise=normalise, compress=compress)(torch.zeros(2, 6000))
    assert picture.isfinite().all()
    assert picture.max() == picture.min()
    if normalise == "none":
        expected = {"db": -100.0, "log": np.log(1e-10)}.get(compress, 0.0)
        assert picture.max() == pytest.approx(expected)


@EVERY_KIND
def test_a_little_sound_in_silence_stays_finite(kind):
    module, waveform = of_kind(kind)
    waveform[0] = 0
    waveform[1] = 0
    waveform[1, 1000] = 1e-4
    assert module(waveform).isfinite().all()


@EVERY_KIND
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_samples_that_are_no_numbers_are_a_sentence(kind, bad):
    module, waveform = of_kind(kind)
    waveform[1, 5] = bad
    with pytest.raises(InputError, match="clip 1 of the batch holds samples that are no numbers"):
        module(waveform)


# Batches, blocks, streams, devices, precision, gradients, exports


@EVERY_KIND
def test_a_row_alone_equals_the_row_in_a_batch(kind):
    module, waveform = of_kind(kind)
    waveform[0] *= 100  # a loud neighbour must not be heard
    together = module(waveform)
    for row in range(3):
        torch.testing.assert_close(module(waveform[row : row + 1])[0], together[row], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("block", [1, 3000, 30_000, 10**9])
def test_the_size_of_the_blocks_does_not_matter(monkeypatch, block):
    module, waveform = Spectrogram(2000), noise(10, 4000)
    expected = module(waveform)
    monkeypatch.setattr(spectrum, "_BLOCK_SAMPLES", block)
    torch.testing.assert_close(module(waveform), expected, atol=1e-4, rtol=1e-5)


@EVERY_KIND
def test_the_exported_form_equals_the_fast_one(kind, monkeypatch):
    module, waveform = of_kind(kind)
    expected = module(waveform)
    monkeypatch.setattr(spectrum, "is_exported", lambda: True)
    torch.testing.assert_close(module(waveform), expected, atol=2e-3, rtol=1e-3)


def test_a_long_window_at_a_high_rate_holds_no_square_of_itself():
    module = Spectrogram(96000, window_seconds=0.256, band_high_hz=40000.0, mel_break_hz=700.0).spectrum
    held = sum(value.nbytes for value in vars(module).values() if isinstance(value, np.ndarray))
    assert held < 10 * 8 * module.n_fft


@EVERY_KIND
def test_onnx_runs_it_the_same_for_any_number_of_clips(kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    module, waveform = of_kind(kind)
    clips = torch.export.Dim("clips", min=1, max=1024)
    exported = torch.onnx.export(module, (waveform,), dynamo=True, dynamic_shapes=({0: clips},), verbose=False)
    session = onnxruntime.InferenceSession(exported.model_proto.SerializeToString())
    for sound in (waveform, waveform[1:2]):
        found = session.run(None, {session.get_inputs()[0].name: sound.numpy()})[0]
        np.testing.assert_allclose(found, module(sound), atol=1e-3)


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 150])
def test_two_halves_streamed_equal_the_whole(cut):
    module = PCEN(8, 30.0)
    energy = torch.rand(2, 8, 200)
    first, state = module.stream(energy[..., :cut])
    second, _ = module.stream(energy[..., cut:], state)
    torch.testing.assert_close(torch.cat([first, second], -1), module(energy), rtol=1e-5, atol=1e-6)


def test_a_trainable_pcen_learns_and_starts_as_the_fixed_one():
    fixed, module = Spectrogram(2000, compress="pcen"), Spectrogram(2000, compress="pcen", pcen_trainable=True)
    waveform = noise(2, 6000)
    picture = module(waveform)
    torch.testing.assert_close(picture, fixed(waveform), rtol=1e-3, atol=1e-3)
    picture.square().mean().backward()
    gradients = [p.grad for p in module.parameters()]
    assert len(gradients) == 3
    assert all(g.isfinite().all() and g.abs().sum() > 0 for g in gradients)


@EVERY_KIND
def test_the_sound_itself_has_a_gradient(kind):
    module, waveform = of_kind(kind)
    waveform.requires_grad_()
    module(waveform).square().mean().backward()
    assert waveform.grad.isfinite().all()
    assert waveform.grad.abs().sum() > 0


@EVERY_KIND
def test_stays_in_single_precision_inside_autocast(kind):
    module, waveform = of_kind(kind)
    expected = module(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        picture = module(waveform)
    assert picture.dtype == torch.float32
    assert torch.equal(picture, expected)


@EVERY_KIND
def test_constants_move_with_the_module_and_are_not_saved(kind):
    module, _ = of_kind(kind)
    assert module.state_dict() == {}
    assert {b.device.type for b in module.to("meta").buffers()} <= {"meta"}
    # A tensor that is no buffer would stay behind on the processor.
    loose = [n for m in module.modules() for n, v in vars(m).items() if isinstance(v, torch.Tensor)]
    assert loose == []


# What it takes and what it costs


def test_the_share_of_energy_in_the_band_is_that_of_the_tones_inside():
    seconds = torch.arange(6000, dtype=torch.float64) / 2000
    inside, outside = torch.sin(2 * torch.pi * 100 * seconds), torch.sin(2 * torch.pi * 800 * seconds)
    module = Spectrogram(2000, band_low_hz=50.0, band_high_hz=300.0, n_mels=16)
    weighed = features.weigh(module, (3 * inside + outside).float()[None])
    assert weighed["energy_in_band"] == pytest.approx(0.9, abs=0.002)
    assert (weighed["channels"], weighed["rows"], weighed["columns"]) == (1, 16, module.frames(6000))
    assert weighed["ms_a_clip"] > 0
    assert features.weigh(module, torch.zeros(1, 6000))["energy_in_band"] == 0
    hz, weights = features.filters_of(module)
    np.testing.assert_allclose(
        weights, filters.triangles(2000, 512, 16, 50.0, 300.0)[np.rint(hz * 512 / 2000).astype(int)], atol=1e-6
    )


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
        ({"normalise": "loud"}, ["'loud'", "none, clip, channel"]),
        ({"compress": "mp3"}, ["'mp3'", "db, log, pcen, power"]),
        ({"mel_scale": "bark"}, ["'bark'", "break, htk, slaney"]),
        ({"front_end": "cqt"}, ["'cqt'", "mel, linear"]),
        ({"front_end": "linear", "band_low_hz": 100.1, "band_high_hz": 100.2}, ["lengthen window_seconds"]),
        ({"front_end": "mfcc", "n_mfcc": 65}, ["65 coefficients", "64 bands"]),
        ({"front_end": "mel+mfcc", "n_mfcc": 20}, ["64 rows", "set n_mfcc to 0"]),
        ({"compress": "pcen", "pcen_seconds": 0.0}, ["pcen_seconds"]),
        ({"deltas": 3}, ["deltas", "0, 1, 2"]),
        ({"picture_frames": 1}, ["picture_frames cannot be 1", "hop_seconds"]),
        ({"picture_frames": 32, "hop_seconds": 5.0}, ["picture of 1 columns", "hop_seconds"]),
        ({"front_end": "ast"}, ["16000 Hz", "speed"]),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_a_knob_that_does_not_fit_is_named(knobs, words):
    with pytest.raises(InputError) as error:
        features.build(2000, **knobs)
    assert all(word in str(error.value) for word in words)


def test_a_clip_shorter_than_half_a_window_is_refused():
    module = Spectrogram(2000)
    least = module.spectrum.n_fft // 2 + 1
    assert module(noise(1, least)).isfinite().all()
    with pytest.raises(InputError, match="pad the clip or shorten window_seconds"):
        module(noise(1, least - 1))


def test_a_picture_too_short_for_deltas_is_refused():
    with pytest.raises(InputError, match="8 frames has no deltas"):
        Spectrogram(2000, deltas=1)(noise(1, 7 * 64))
