"""What a log-mel picture and PCEN cost, against the libraries one would otherwise use."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

# Sample rate, seconds, window and hop in samples, bands, clips in a batch.
SETTINGS = (
    (2000, 2.0, 256, 32, 64, 64),
    (32000, 5.0, 1024, 320, 128, 16),
    (16000, 10.0, 400, 160, 128, 16),
)
_ROUNDS = 9
_LEAST_SECONDS = 0.05  # a turn is no shorter, so that what the way before left in the caches does not decide


def front_end_speed(folder: Path) -> None:
    """Clips a second of the log-mel front end, all in one run and in turn; on a GPU too where there is one."""
    import torch

    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        name = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads of the CPU"
        for rate, seconds, window, hop, bands, clips in SETTINGS:
            print(f"log-mel of {seconds:g} s at {rate:,} Hz, window {window}, hop {hop}, {bands} bands, on {name}")
            clips *= 16 if device == "cuda" else 1
            drawn = np.random.default_rng(0).normal(0, 0.1, (clips, int(rate * seconds))).astype(np.float32)
            ways = _ways(torch.from_numpy(drawn).to(device), rate, seconds, window, hop, bands)
            _report(ways, clips)
            print(f"PCEN of the same pictures, on {name}")
            _report(_pcen_ways(torch.from_numpy(drawn).to(device), rate, seconds, window, hop, bands), clips)


def _report(ways: dict[str, tuple[Callable[[], object], int]], clips: int) -> None:
    """Every way in turn, round after round, so that a disturbance hits all; the medians, and ours over each."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for k in range(_ROUNDS + 1):
        for name, (way, how_many) in ways.items():
            begin, done, seconds = time.perf_counter(), 0, 0.0
            while seconds < _LEAST_SECONDS:
                way()
                done, seconds = done + how_many, time.perf_counter() - begin
            if k:  # the first round warms up
                speeds[name].append(done / seconds)
    ours = np.array(speeds["whalelib"])
    for name, found in speeds.items():
        ratio = np.median(ours / np.array(found))
        print(
            f"  {name:34} {np.median(found):10,.0f} clips/s"
            + (f"   ours: {ratio:6.2f} times" if name != "whalelib" else "")
        )


def _ways(
    waveform: torch.Tensor, rate: int, seconds: float, window: int, hop: int, bands: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """The same picture by each library: what to call, and how many clips a call does."""
    import librosa
    import torch
    from librosa.filters import mel as librosa_mel

    from whalelib import features

    device, clips = waveform.device, len(waveform)
    front_end = features.build(
        rate, seconds, window_seconds=window / rate, hop_seconds=hop / rate, n_mels=bands, band_low_hz=0.0,
        band_high_hz=rate / 2, mel_scale="slaney", filter_height="area", normalise="none",
    ).to(device)  # fmt: skip
    filters = torch.from_numpy(librosa_mel(sr=rate, n_fft=window, n_mels=bands)).to(device)
    hann = torch.hann_window(window, device=device)
    single = waveform.cpu().numpy()

    def by_librosa() -> None:
        for clip in single[:16]:
            power = librosa.feature.melspectrogram(y=clip, sr=rate, n_fft=window, hop_length=hop, n_mels=bands)
            librosa.power_to_db(power, top_db=None)

    def by_stft(block: int) -> Callable[[], None]:
        def run() -> None:
            for part in waveform.split(block):
                spectrum = torch.stft(part, window, hop, window=hann, return_complex=True)
                torch.log10((filters @ spectrum.abs().square()).clamp(min=1e-10)).mul(10)
            _wait(device)

        return run

    def by_rfft(block: int) -> Callable[[], None]:
        def run() -> None:
            for part in waveform.split(block):
                padded = torch.nn.functional.pad(part[:, None], (window // 2,) * 2, mode="reflect")[:, 0]
                spectrum = torch.fft.rfft(padded.unfold(-1, window, hop) * hann)
                power = (spectrum.real.square() + spectrum.imag.square()) @ filters.T
                torch.log10(power.clamp(min=1e-10)).mul(10).transpose(1, 2)
            _wait(device)

        return run

    def ours() -> None:
        with torch.inference_mode():
            front_end(waveform)
        _wait(device)

    ways: dict[str, tuple[Callable[[], object], int]] = {"whalelib": (ours, clips)}
    ways["librosa, clip by clip"] = by_librosa, min(16, clips)
    for block in (1, 4, 16):
        ways[f"torch.stft and product, blocks of {block}"] = by_stft(block), clips
    for block in (1, 16):
        ways[f"rfft of frames, blocks of {block}"] = by_rfft(block), clips
    return {**ways, **_torchaudio(waveform, rate, window, hop, bands), **_kaldi(single, rate, window, hop, bands)}


def _torchaudio(
    waveform: torch.Tensor, rate: int, window: int, hop: int, bands: int
) -> dict[str, tuple[Callable[[], object], int]]:
    import torchaudio

    device = waveform.device
    mel = torchaudio.transforms.MelSpectrogram(
        rate, window, window, hop, n_mels=bands, norm="slaney", mel_scale="slaney"
    )
    decibels = torchaudio.transforms.AmplitudeToDB("power")
    mel = mel.to(device)

    def batched() -> None:
        decibels(mel(waveform))
        _wait(device)

    def one_by_one() -> None:
        for clip in waveform:
            decibels(mel(clip))
        _wait(device)

    return {"torchaudio, batched": (batched, len(waveform)), "torchaudio, clip by clip": (one_by_one, len(waveform))}


def _kaldi(
    single: np.ndarray, rate: int, window: int, hop: int, bands: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """Kaldi's filter bank; its picture is another (its scale and pre-emphasis), its work the same."""
    try:
        import kaldi_native_fbank as knf
    except ImportError:
        print("  (kaldi-native-fbank is not installed and is left out)")
        return {}
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = rate
    options.frame_opts.frame_length_ms = 1000 * window / rate
    options.frame_opts.frame_shift_ms = 1000 * hop / rate
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    name = "kaldi-native-fbank, clip by clip"
    for fewer in (bands, 80):  # it refuses banks with a filter that holds no bin
        options.mel_opts.num_bins = fewer
        try:
            knf.OnlineFbank(options)
            break
        except ValueError:
            name = "kaldi-native-fbank (80 bands)"

    def run() -> None:
        for clip in single[:16]:
            bank = knf.OnlineFbank(options)
            bank.accept_waveform(rate, clip)
            bank.input_finished()
            np.stack([bank.get_frame(k) for k in range(bank.num_frames_ready)])

    return {name: (run, min(16, len(single)))}


def _pcen_ways(
    waveform: torch.Tensor, rate: int, seconds: float, window: int, hop: int, bands: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """PCEN alone, of power that is there already."""
    import librosa
    import torch

    from whalelib import features

    device = waveform.device
    front_end = features.build(
        rate, seconds, window_seconds=window / rate, hop_seconds=hop / rate, n_mels=bands, band_low_hz=0.0,
        band_high_hz=rate / 2, mel_scale="slaney", compress="power", normalise="none",
    ).to(device)  # fmt: skip
    power = front_end(waveform)[:, 0]
    module = features.PCEN(bands, rate / hop).to(device)
    single = power.cpu().numpy()

    def ours() -> None:
        with torch.inference_mode():
            module(power)
        _wait(device)

    def by_librosa() -> None:
        for picture in single[:16]:
            librosa.pcen(picture, sr=rate, hop_length=hop)

    def frame_by_frame() -> None:
        state, smooth = power[..., 0], []
        for k in range(power.shape[-1]):
            state = (1 - module.smoothing) * state + module.smoothing * power[..., k]
            smooth.append(state)
        (power / (module.eps + torch.stack(smooth, -1)).pow(0.98) + 2).sqrt() - 2**0.5
        _wait(device)

    return {
        "whalelib": (ours, len(power)),
        "librosa, clip by clip": (by_librosa, min(16, len(single))),
        "a torch loop over frames": (frame_by_frame, len(power)),
    }


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()
