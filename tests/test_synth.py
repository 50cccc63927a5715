"""The synthetic ocean: it writes what it says, its calls go where they should, and loudness gives nothing away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
from sklearn.metrics import roc_auc_score

from whalelib import formats, synth, tables
from whalelib.errors import InputError

RATE = 2000
SMALL = {"ocean_days": 2, "ocean_minutes": 1.0}
RNG_SEEDS = range(12)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The default ocean."""
    return synth.ocean(tmp_path_factory.mktemp("demo") / "ocean")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "ocean"
    return folder, *synth.ocean(folder, **SMALL)


def sound(path: str) -> np.ndarray:
    return soundfile.read(path)[0]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def contour(wave: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """The instantaneous frequency in the loud part of a call."""
    sos = scipy.signal.butter(4, [low_hz, high_hz], "bandpass", fs=RATE, output="sos")
    analytic = scipy.signal.hilbert(scipy.signal.sosfiltfilt(sos, np.pad(wave, 500)))[500:-500]
    hz = np.diff(np.unwrap(np.angle(analytic))) * RATE / (2 * np.pi)
    return hz[np.abs(analytic[1:]) > 0.2 * np.abs(analytic).max()]


def ends(hz: np.ndarray) -> tuple[float, float]:
    k = max(len(hz) // 20, 1)
    return float(np.median(hz[:k])), float(np.median(hz[-k:]))


def share_of_energy(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    hz, power = scipy.signal.periodogram(wave, RATE, nfft=8192 if len(wave) < 8192 else None)
    return float(power[(hz >= low_hz) & (hz <= high_hz)].sum() / power.sum())


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize("label", synth.SPECIES)
@pytest.mark.parametrize("rate", [500, 2000, 8000])
def test_a_clean_call_is_finite_varies_and_has_unit_rms(label, rate):
    waves = [synth.SPECIES[label].call(np.random.default_rng(seed), rate) for seed in RNG_SEEDS]
    heard = [wave for wave in waves if np.any(wave)]
    assert len(heard) >= (4 if (label, rate) == ("humpback_unit", 500) else len(waves))
    assert len({len(wave) for wave in waves}) > len(waves) // 2
    for wave in heard:
        onset, offset, low_hz, high_hz = synth.energy_box(wave, rate)
        assert np.sqrt(np.mean(wave[round(onset * rate) : round(offset * rate)] ** 2)) == pytest.approx(1, abs=1e-6)
        assert 0 <= onset < offset <= len(wave) / rate
        assert 0 < low_hz < high_hz <= rate / 2


def test_upcalls_rise_from_80_to_200_hz():
    for seed in RNG_SEEDS:
        wave = synth.upcall(np.random.default_rng(seed), RATE)
        assert 0.6 <= len(wave) / RATE <= 1.3
        first, last = ends(contour(wave, 50, 260))
        assert 65 < first < 115 and 145 < last < 225 and last - first > 50


def test_d_calls_fall_from_90_to_35_hz():
    for seed in RNG_SEEDS:
        wave = synth.dcall(np.random.default_rng(seed), RATE)
        assert 1.5 <= len(wave) / RATE <= 4
        first, last = ends(contour(wave, 20, 130))
        assert 65 < first < 105 and 28 < last < 52


def test_fin_pulses_fall_within_15_to_30_hz():
    for seed in RNG_SEEDS:
        wave = synth.fin_pulse(np.random.default_rng(seed), RATE)
        assert share_of_energy(wave, 15, 30) > 0.95
        first, last = ends(contour(wave, 8, 50))
        assert first > last + 2


def test_the_units_of_a_song_have_overtones_and_follow_their_type():
    rng = np.random.default_rng(0)
    up = synth.Unit(1.5, 200, 0.4, "up", (0.6, 0.4))
    wave = synth.humpback_unit(rng, RATE, up)
    hz, power = scipy.signal.welch(wave[1400:1600], RATE, nperseg=200)
    for multiple in (1, 2, 3):  # in the middle of the unit, where it passes 200 Hz
        between = power[np.argmin(np.abs(hz - 200 * (multiple + 0.5)))]
        assert power[np.abs(hz - 200 * multiple) < 30].max() > 10 * between
    first, last = ends(contour(synth.humpback_unit(rng, RATE, synth.Unit(1.5, 200, 0.4, "down", ())), 80, 500))
    assert first > 230 and last < 170


def test_the_pulses_of_a_minke_train_can_be_counted():
    for seed in RNG_SEEDS:
        wave = synth.pulse_train(np.random.default_rng(seed), RATE)
        seconds = len(wave) / RATE
        assert 6 <= seconds <= 15.2 and share_of_energy(wave, 45, 405) > 0.95
        level = scipy.signal.sosfiltfilt(scipy.signal.butter(2, 12, fs=RATE, output="sos"), np.abs(wave))
        middle = level[len(level) // 6 : -len(level) // 6]
        peaks, _ = scipy.signal.find_peaks(middle, height=0.3 * middle.max(), distance=RATE // 8)
        assert 2.5 < len(peaks) / (len(middle) / RATE) < 6.5
        beats = np.diff(peaks)
        assert abs(np.median(beats[: len(beats) // 4]) / np.median(beats[-len(beats) // 4 :]) - 1) > 0.08


def test_fin_pulses_come_every_10_to_16_seconds_and_song_units_repeat(demo):
    _, events = demo
    same_animal = ["recording", "range_km"]
    beats = events[events["label"] == "fin_whale_20hz"].groupby(same_animal)["onset"].diff().dropna()
    beats = beats[beats < 18]  # a pulse between may be buried
    assert len(beats) > 10 and beats.between(9.5, 16.5).all()
    assert events[events["label"] == "humpback_unit"].groupby(same_animal).size().max() >= 4


# ---------------------------------------------------------------- noise


def test_ambient_noise_has_the_level_and_slope_asked_for():
    noise = synth.ambient_noise(np.random.default_rng(0), RATE, 300, level_db=75, slope_db=20, hump_db=0)
    hz, power = scipy.signal.welch(noise, RATE, nperseg=2000)
    at_100, at_500 = (10 * np.log10(power[np.abs(hz - f) < 8].mean()) for f in (100, 500))
    assert at_100 == pytest.approx(75, abs=2)
    assert at_100 - at_500 == pytest.approx(20 * np.log10(5), abs=1)
    seconds = np.sqrt(np.mean(noise.reshape(-1, 1000) ** 2, axis=1))  # no seam, no silent frame
    assert seconds.min() > seconds.mean() / 4


@pytest.mark.parametrize("rate", [500, 2000])
def test_every_noise_lasts_as_long_as_asked_and_is_heard(rate):
    rng = np.random.default_rng(1)
    for noise in (synth.ambient_noise, synth.ship, synth.rain, synth.recorder_hum):
        wave = noise(rng, rate, 7.3)
        assert len(wave) == round(7.3 * rate) and wave.dtype == np.float32
        assert np.isfinite(wave).all() and wave.std() > 0
    for burst in (synth.airgun, synth.knock):
        assert np.isfinite(burst(rng, rate)).all() and burst(rng, rate).std() > 0


def test_noises_lie_where_they_should():
    rng = np.random.default_rng(2)
    assert share_of_energy(synth.airgun(rng, RATE), 5, 60) > 0.8
    assert share_of_energy(synth.rain(rng, RATE, 20), 250, 1000) > 0.8
    hum = synth.recorder_hum(rng, RATE, 10, 50)
    assert share_of_energy(hum, 45, 55) + share_of_energy(hum, 95, 305) > 0.99
    assert share_of_energy(hum, 52, 98) < 0.01
    ship = synth.ship(rng, RATE, 60)
    power = scipy.signal.welch(ship, RATE, nperseg=4000)[1][40:800]
    assert (power > 8 * scipy.signal.medfilt(power, 31)).sum() >= 3  # lines above the hump


# ---------------------------------------------------------------- the ocean


def test_the_tables_are_valid_and_the_files_as_described(small):
    folder, recordings, events = small
    tables.check_recordings(recordings)
    tables.check_events(events, recordings, list(synth.SPECIES))
    assert list(events.columns) == [*tables.EVENTS, "snr_db", "range_km"]
    assert (recordings["seconds"] == 60).all() and len(recordings) == 4
    for row in recordings.itertuples():
        info = soundfile.info(row.path)
        assert (info.samplerate, info.frames, info.channels, info.subtype) == (2000, 120000, 1, "PCM_16")
        assert row.recording == Path(row.path).stem and f"{row.start:%Y%m%d_%H%M%S}" in row.recording
        assert f"{row.start:%Y-%m-%d}" == row.group == f"{row.start + pd.Timedelta(seconds=row.seconds):%Y-%m-%d}"
    assert not list(folder.parent.glob(".*"))


def test_both_annotation_formats_tell_the_same_events(small):
    folder, recordings, events = small
    keys = ["recording", "onset", "offset", "low_hz", "high_hz", "label", "truth"]
    order = ["recording", "onset", "label"]
    expected = events[keys].sort_values(order, ignore_index=True)
    ravens = [
        formats.read_raven(folder / "raven" / f"{name}.selections.txt", recordings).events
        for name in recordings["recording"]
    ]
    noaa = formats.read_noaa_log(folder / "noaa_log.csv", recordings).events
    for found in (pd.concat(ravens), noaa):
        pd.testing.assert_frame_equal(found[keys].sort_values(order, ignore_index=True), expected, atol=1e-6)


def test_groups_are_days_that_all_sites_share(demo):
    recordings, _ = demo
    assert recordings["group"].nunique() == 20
    assert (recordings.groupby("group").size() == 2).all()


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(small, tmp_path):
    folder, *_ = small
    synth.ocean(tmp_path / "again", **SMALL)
    synth.ocean(tmp_path / "other", **SMALL, ocean_seed=1)
    same, other = files_of(tmp_path / "again"), files_of(tmp_path / "other")
    assert same == files_of(folder)
    assert not {v for k, v in other.items() if k.endswith(".wav")} & {v for k, v in same.items() if k.endswith(".wav")}


def test_a_day_does_not_depend_on_how_many_days_and_sites_there_are(small, tmp_path):
    folder, *_ = small
    synth.ocean(tmp_path / "one", **{**SMALL, "ocean_days": 1, "ocean_sites": 1})
    (wav,) = (tmp_path / "one" / "audio").iterdir()
    assert wav.read_bytes() == (folder / "audio" / wav.name).read_bytes()
    raven = Path("raven") / f"{wav.stem}.selections.txt"
    assert (tmp_path / "one" / raven).read_bytes() == (folder / raven).read_bytes()


def test_a_second_call_reads_what_the_first_wrote(small, monkeypatch):
    folder, recordings, events = small
    monkeypatch.setattr(synth.folder, "_write", lambda *_: pytest.fail("made the ocean again"))
    again = synth.ocean(folder, **SMALL)
    pd.testing.assert_frame_equal(again[0], recordings)
    pd.testing.assert_frame_equal(again[1], events)


def test_a_folder_of_other_content_is_refused(small, tmp_path):
    folder, *_ = small
    before = files_of(folder)
    with pytest.raises(InputError, match="ocean_seed is 0 there, 7 here"):
        synth.ocean(folder, **SMALL, ocean_seed=7)
    assert files_of(folder) == before
    (tmp_path / "letter.txt").write_text("dear whale")
    with pytest.raises(InputError, match="holds no ocean"):
        synth.ocean(tmp_path)
    with pytest.raises(InputError, match="WAV"):
        synth.ocean(tmp_path / "long", ocean_minutes=1440, ocean_rate=48000)


def test_an_interrupted_ocean_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(synth.folder, "write_wav", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        synth.ocean(tmp_path / "ocean", **SMALL)
    assert not list(tmp_path.iterdir())


def test_species_are_balanced_and_heard_on_most_days(demo):
    recordings, events = demo
    per_minute = len(events) / (recordings["seconds"].sum() / 60)
    assert 7 < per_minute < 9
    assert (events["label"].value_counts(normalize=True).reindex(list(synth.SPECIES)) > 0.15).all()
    days = events["recording"].map(recordings.set_index("recording")["group"]).groupby(events["label"]).nunique()
    assert (days >= 16).all()


def test_levels_over_the_noise_spread_and_the_faint_are_only_possible(demo):
    _, events = demo
    snr_db = events["snr_db"]
    assert snr_db.min() < -5 and snr_db.max() > 15 and 4 < snr_db.median() < 10
    assert snr_db.min() >= synth.BURIED_BELOW_DB
    assert ((events["truth"] == "possible") == (snr_db < synth.POSSIBLE_BELOW_DB)).all()
    assert 0.05 < (events["truth"] == "possible").mean() < 0.3


def test_events_of_one_label_never_come_near_each_other(demo, tmp_path):
    crowded = synth.ocean(tmp_path / "crowded", ocean_days=1, ocean_density=5)[1]
    for events in (demo[1], crowded):
        ordered = events.sort_values("onset").groupby(["recording", "label"])
        gaps = events["onset"] - ordered["offset"].shift()
        assert gaps.dropna().min() > synth.GAP_SECONDS - 0.002 and len(gaps.dropna()) > 20


def test_density_sets_how_many_calls_there_are(small, tmp_path):
    _, _, events = small
    _, busy = synth.ocean(tmp_path / "busy", **SMALL, ocean_density=4)
    assert len(busy) > 2 * len(events) > 0
    recordings, none = synth.ocean(tmp_path / "none", **SMALL, ocean_density=0)
    tables.check_events(none, recordings)
    assert len(none) == 0 and len(recordings) == 4
    pd.testing.assert_frame_equal(synth.ocean(tmp_path / "none", **SMALL, ocean_density=0)[1], none)


def band_db(wave: np.ndarray, row) -> float:
    """Level in an event's box, measured in another way than the ocean measures it."""
    low, high = max(row.low_hz, 5), min(row.high_hz, 0.49 * RATE)
    sos = scipy.signal.butter(6, [low, high], "bandpass", fs=RATE, output="sos")
    inside = scipy.signal.sosfiltfilt(sos, wave)[round(row.onset * RATE) : round(row.offset * RATE)]
    return 10 * np.log10(np.mean(inside**2))


def test_the_level_recorded_is_the_level_in_the_file(demo, tmp_path):
    recordings, events = demo
    silent, _ = synth.ocean(tmp_path / "silent", ocean_days=4, ocean_density=0)
    errors = []
    for loud, quiet in zip(recordings.iloc[:8].itertuples(), silent.itertuples(), strict=True):
        noise, both = sound(quiet.path), sound(loud.path)
        calls = both - noise  # the noise does not depend on the calls, so what remains is the whales
        here = events[events["recording"] == loud.recording]
        for row in here.itertuples():
            others = here.drop(row.Index)
            if not tables.overlap_seconds(row.onset - 0.5, row.offset + 0.5, others["onset"], others["offset"]).any():
                errors.append(band_db(calls, row) - band_db(noise, row) - row.snr_db)
    assert len(errors) > 40
    assert abs(np.median(errors)) < 0.5 and np.quantile(np.abs(errors), 0.95) < 2


def test_boxes_hold_their_calls_and_no_call_is_unlabelled(demo, tmp_path):
    recordings, events = demo
    silent, _ = synth.ocean(tmp_path / "silent", ocean_days=2, ocean_density=0)
    for loud, quiet in zip(recordings.iloc[:4].itertuples(), silent.itertuples(), strict=True):
        calls = sound(loud.path) - sound(quiet.path)
        inside = np.zeros(len(calls), dtype=bool)
        for row in events[events["recording"] == loud.recording].itertuples():
            inside[round(row.onset * RATE) : round(row.offset * RATE)] = True
        assert 0.9 < np.sum(calls[inside] ** 2) / np.sum(calls**2) < 1


def test_loudness_alone_finds_no_calls(demo):
    recordings, events = demo
    rng = np.random.default_rng(0)
    levels, hits = [], {label: [] for label in synth.SPECIES}
    for row in recordings.itertuples():
        wave = sound(row.path)
        here = events[(events["recording"] == row.recording) & (events["truth"] == "present")]
        for onset in rng.uniform(0, row.seconds - 3, 100):
            levels.append(np.std(wave[round(onset * RATE) :][: 3 * RATE]))
            shared = tables.overlap_seconds(here["onset"], here["offset"], onset, onset + 3)
            hit = shared >= 0.5 * np.minimum(here["offset"] - here["onset"], 3)
            for label, found in hits.items():
                found.append(bool((hit & (here["label"] == label)).any()))
    assert 0.3 < roc_auc_score(np.any(list(hits.values()), axis=0), levels) < 0.7
    for label, found in hits.items():
        assert 0.3 < roc_auc_score(found, levels) < 0.7, label


def test_days_and_sites_differ_in_their_noise(demo):
    recordings, _ = demo
    spectra = []
    for path in recordings["path"]:
        hz, power = scipy.signal.welch(sound(path), RATE, nperseg=1024)
        bands = [(hz > low) & (hz < 2 * low) for low in (40, 100, 200, 400)]
        spectra.append([10 * np.log10(np.median(power[band])) for band in bands])
    spectra = np.array(spectra).reshape(20, 2, 4)
    assert np.ptp(spectra.mean(axis=(1, 2))) > 6  # levels by day
    slopes = spectra[..., 0] - spectra[..., 3]
    assert np.ptp(slopes.mean(axis=1)) > 5  # slopes by day
    assert np.abs(spectra[:, 0] - spectra[:, 1]).mean() > 1  # site against site


def test_nothing_clips_and_the_ocean_is_well_above_the_last_bit(demo):
    recordings, _ = demo
    for path in recordings["path"]:
        wave = soundfile.read(path, dtype="int16")[0].astype(float)
        assert np.abs(wave).max() < 32500
        power = scipy.signal.welch(wave, RATE, nperseg=1024)[1][8:-8]
        assert 10 * np.log10(power.min() / (1 / 12 / 1000)) > 15


@pytest.mark.parametrize("rate", [500, 2001, 12000])
def test_other_rates_and_very_short_recordings(rate, tmp_path):
    recordings, events = synth.ocean(tmp_path / "a", ocean_days=2, ocean_rate=rate, ocean_minutes=0.5, ocean_density=3)
    tables.check_events(events, recordings)
    assert len(events) > 10 and (events["high_hz"] <= rate / 2).all()
    recordings, _ = synth.ocean(tmp_path / "b", ocean_days=1, ocean_sites=1, ocean_rate=rate, ocean_minutes=0.02)
    assert soundfile.info(recordings["path"][0]).frames == round(1.2 * rate)
