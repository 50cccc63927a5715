"""The doctor finds every fault that is planted, and none in a clean set."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import resample_poly

from whalelib import config, doctor, plots, synth, tables
from whalelib.doctor import annotated, clock, copies, frontend, labels, shortcuts, sound
from whalelib.doctor.listening import _Meter, windows
from whalelib.errors import InputError

RATE = 2000
SECONDS = 20.0
CALLS = {"upcall": (100.0, 200.0), "downsweep": (300.0, 150.0)}


def sweep(begin_hz, end_hz, seconds=1.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    hz = begin_hz + (end_hz - begin_hz) * t / seconds
    return np.hanning(len(t)) * np.sin(2 * np.pi * np.cumsum(hz) / rate)


def write(path, samples, rate=RATE, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def row_of(path, group="a", start=pd.NaT):
    info = soundfile.info(path)
    return {
        "recording": path.stem,
        "path": str(path),
        "start": start,
        "seconds": info.frames / info.samplerate,
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "group": group,
    }


def recordings_of(rows):
    return tables.check_recordings(pd.DataFrame(rows))


def call(recording, onset, offset, label="upcall", **also):
    return {"recording": recording, "onset": onset, "offset": offset, "label": label, **also}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """24 recordings in 6 groups, every second one with 4 calls well above the noise; nothing is wrong with it."""
    folder = tmp_path_factory.mktemp("clean")
    rng = np.random.default_rng(5)
    rows, events = [], []
    for k in range(24):
        noise = rng.standard_normal(int(SECONDS * RATE))
        name = f"mooring_20090328_{k % 24:02d}0000"
        # Loud calls would give themselves away, so recordings differ in gain.
        gain = 0.02 * 2 ** rng.uniform(-2, 2)
        for n, at in enumerate((3.0, 7.5, 11.0, 15.5) if (k * 7) % 24 < 12 else ()):
            label = list(CALLS)[n % 2]
            begin_hz, end_hz = CALLS[label]
            first = round((at + rng.uniform(0, 1)) * RATE)
            noise[first : first + RATE] += sweep(begin_hz, end_hz)
            box = {"low_hz": min(begin_hz, end_hz), "high_hz": max(begin_hz, end_hz)}
            events.append(call(name, first / RATE, first / RATE + 1.0, label, **box))
        path = write(folder / f"{name}.wav", gain * noise)
        rows.append(row_of(path, f"day{k // 4}", pd.Timestamp("2009-03-28", tz="UTC") + pd.Timedelta(hours=k)))
    return recordings_of(rows), tables.events(events)


def examine(recordings, events, *checks, exhaustive=True, **knobs):
    also = {"checks": checks} if checks else {}
    return doctor.examine(recordings, events, exhaustive=exhaustive, progress=False, **also, **knobs)


def codes(found, *severities):
    return [f.code for f in found if not severities or f.severity in severities]


def the(found, code):
    (one,) = [f for f in found if f.code == code]
    return one


def with_events(events, *rows):
    return tables.events(pd.concat([events, tables.events(rows)], ignore_index=True))


def test_a_clean_set_gets_no_error_and_no_warning(clean):
    found = examine(*clean)
    assert codes(found, "error", "warning") == []
    # Every second recording is known to be without a call, which is worth a note and no more.
    assert codes(found) == ["no-annotation"]
    assert the(found, "no-annotation").count == 12


def test_it_gives_the_same_findings_twice_and_leaves_the_tables_alone(clean):
    recordings, events = clean
    worse = with_events(events, call("gone", 1.0, 2.0), call(recordings["recording"][0], 5.0, 4.0))
    before = recordings.copy(), worse.copy()
    one, two = (doctor.to_frame(examine(recordings, worse)) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(recordings, before[0])
    pd.testing.assert_frame_equal(worse, before[1])


def test_its_defaults_are_those_of_the_knobs():
    knobs = config.resolve()
    for name, parameter in inspect.signature(doctor.admit).parameters.items():
        if name in {knob.name for knob in config.knobs()} and parameter.default is not parameter.empty:
            wanted = getattr(knobs, name)
            assert parameter.default == (tuple(wanted) if isinstance(wanted, list) else wanted), name


# Reports


def test_findings_are_listed_and_printed_the_worst_first():
    rows = pd.DataFrame({"recording": [f"r{k}" for k in range(500)], "nothing": np.nan})
    found = [
        doctor.finding.finding("note", "small", "A note.", "nothing"),
        doctor.finding.finding("error", "large", "An error.", "mend it", rows),
    ]
    frame = doctor.to_frame(found)
    assert frame["code"].tolist() == ["large", "small"]
    assert frame["count"].tolist() == [500, 0]
    assert len(found[1].rows) == 200
    text = doctor.render(found)
    assert text.index("ERROR [large] An error.") < text.index("mend: mend it") < text.index("r0")
    assert text.index("... and 497 more") < text.index("NOTE [small]")
    assert "nothing\n    |" not in text  # a column without a value is not shown
    assert text.endswith("1 error, 0 warnings, 1 note.")


def test_no_findings_are_said_too():
    assert doctor.to_frame([]).empty
    assert doctor.render([]) == "Nothing was found that stands against training."


def test_a_severity_must_be_known():
    with pytest.raises(ValueError, match="one of error, warning, note"):
        doctor.finding.finding("grave", "x", "X.", "y")


# Annotations


def test_problems_of_the_source_become_a_finding(clean):
    found = examine(*clean, annotated.source_problems, problems=["a.wav is no sound file.", "b.txt has no rows."])
    assert the(found, "left-out").count == 2
    assert "a.wav is no sound file (and 1 more)." in the(found, "left-out").what
    assert examine(*clean, annotated.source_problems) == []


def test_recordings_without_events_weigh_more_where_annotation_is_not_exhaustive(clean):
    recordings, events = clean
    assert the(examine(recordings, events, annotated.recordings_without_events), "no-annotation").severity == "note"
    found = examine(recordings, events, annotated.recordings_without_events, exhaustive=False)
    assert the(found, "no-annotation").severity == "warning"
    spoken_of = recordings[recordings["recording"].isin(events["recording"])]
    assert examine(spoken_of, events, annotated.recordings_without_events) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"offset": 5.0}, "event-has-no-duration"),
        ({"offset": 4.0}, "event-ends-before-it-begins"),
        ({"onset": -2.0}, "event-begins-before-its-recording"),
        ({"offset": SECONDS + 1}, "event-ends-after-its-recording"),
        ({"offset": np.nan}, "event-has-no-onset-or-offset"),
        ({"low_hz": 200.0, "high_hz": 100.0}, "event-has-its-high-below-its-low-frequency"),
        ({"truth": "perhaps"}, "event-has-an-unknown-truth"),
        ({"recording": "gone"}, "event-names-a-missing-recording"),
    ],
)
def test_every_broken_rule_is_an_error_of_its_own(clean, fault, code):
    recordings, events = clean
    bad = {**call(recordings["recording"][0], 5.0, 6.0), **fault}
    found = examine(recordings, with_events(events, bad, bad), annotated.impossible_events)
    assert codes(found, "error") == [code]
    assert found[0].count == 2
    assert "(and 1 more)" in found[0].what
    assert examine(recordings, events, annotated.impossible_events) == []


@pytest.mark.parametrize(
    ("second", "code", "severity"),
    [
        ({}, "double-events", "warning"),
        ({"low_hz": 0.0, "high_hz": 1000.0}, "paired-views", "warning"),
        ({"onset": 5.02, "offset": 6.02}, "near-double-events", "warning"),
        ({"truth": "absent"}, "contradicting-events", "error"),
    ],
)
def test_calls_that_are_there_twice(clean, second, code, severity):
    recordings, _ = clean
    name = recordings["recording"][0]
    first = call(name, 5.0, 6.0, low_hz=90.0, high_hz=210.0)
    other = call(name, 12.0, 13.0)
    found = examine(recordings, tables.events([first, other, {**first, **second}]), annotated.double_events)
    assert codes(found, severity) == [code]
    assert found[0].count == 1


@pytest.mark.parametrize(
    "second",
    [{"onset": 5.2, "offset": 6.2}, {"label": "downsweep"}, {"channel": 2}, {"recording": "mooring_20090328_010000"}],
)
def test_calls_that_only_resemble_each_other_are_two(clean, second):
    first = call("mooring_20090328_000000", 5.0, 6.0)
    assert examine(clean[0], tables.events([first, {**first, **second}]), annotated.double_events) == []


def test_pairs_are_those_of_a_comparison_of_everything_with_everything():
    rng = np.random.default_rng(0)
    onset = np.round(rng.uniform(0, 4, 60), 2)
    rows = [call("r", t, t + rng.choice([0.3, 1.0, 1.03])) for t in onset]
    events = tables.events(rows)
    begin, end = events["onset"].to_numpy(), events["offset"].to_numpy()
    iou = tables.intersection_over_union(begin[:, None], end[:, None], begin, end)
    assert len(annotated.overlapping_pairs(events)) == int(np.triu(iou > 0.9, k=1).sum()) > 3


def test_calls_at_the_ends_of_a_file_but_not_labels_for_all_of_it(clean):
    recordings, _ = clean
    first, second, third = recordings["recording"][:3]
    events = tables.events([call(first, 0.0, 1.0), call(second, 19.0, SECONDS), call(third, 0.0, SECONDS)])
    one = the(examine(recordings, events, annotated.calls_at_the_ends), "cut-off-calls")
    assert one.rows["recording"].tolist() == [first, second]
    assert examine(*clean, annotated.calls_at_the_ends) == []


def test_a_set_without_a_call_is_an_error(clean):
    recordings, events = clean
    assert codes(examine(recordings, events.assign(truth="possible"), annotated.no_calls)) == ["no-call"]
    assert codes(examine(recordings, events.iloc[:0], annotated.no_calls)) == ["no-call"]
    assert examine(recordings, events, annotated.no_calls) == []


def test_rows_that_are_no_recording_are_named_and_the_rest_goes_on(clean):
    recordings, events = clean
    empty = recordings.iloc[[0]].assign(recording="empty", seconds=0.0)
    twice = recordings.iloc[[1]]
    found = examine(pd.concat([recordings, empty, twice]), events)
    assert codes(found, "error", "warning") == ["recording-has-no-duration", "recording-is-given-twice"]
    with pytest.raises(InputError, match="no recording to examine"):
        examine(recordings.iloc[:0], events)
    with pytest.raises(InputError, match="lacks the column 'group'"):
        examine(recordings.drop(columns="group"), events)


# Labels


def test_the_label_table(clean):
    recordings, events = clean
    more = with_events(events, call(recordings["recording"][0], 5.0, 8.0, truth="possible"))
    table = labels.label_table(recordings, more).set_index("label")
    assert table.loc["upcall", ["present", "possible", "absent"]].tolist() == [24, 1, 0]
    assert table.loc["downsweep", ["recordings", "groups", "median"]].tolist() == [12, 6, 1.0]


def test_a_class_that_nobody_has(clean):
    one = the(examine(*clean, labels.missing_classes, classes=["upcal", "downsweep"]), "missing-class")
    assert one.mend == "did you mean 'upcall'?"
    assert examine(*clean, labels.missing_classes, classes=["upcall"]) == []


def test_a_class_of_nine_calls_is_rare_and_of_ten_is_not(clean):
    recordings, events = clean
    name = recordings["recording"][0]
    nine = [call(name, k, k + 0.5, "song") for k in range(9)]
    found = examine(recordings, with_events(events, *nine), labels.rare_classes)
    assert the(found, "rare-class").rows.to_dict("records") == [{"label": "song", "calls": 9}]
    assert examine(recordings, with_events(events, *nine, call(name, 9, 9.5, "song")), labels.rare_classes) == []


def test_a_class_in_one_group_cannot_be_tested(clean):
    recordings, events = clean
    lonely = [call(name, 1.0, 1.5, "song") for name in recordings["recording"][:4]]
    assert codes(examine(recordings, with_events(events, *lonely), labels.narrow_classes)) == ["class-in-one-group"]
    assert codes(examine(recordings, tables.events(lonely), labels.narrow_classes), "error") == ["class-in-one-group"]
    two = [*lonely, call(recordings["recording"][4], 1.0, 1.5, "song")]
    found = examine(recordings, with_events(events, *two), labels.narrow_classes)
    assert codes(found, "warning") == ["class-in-few-groups"]
    assert examine(recordings, with_events(events, *two), labels.narrow_classes, test_share=0.0) == []
    assert examine(recordings, events, labels.narrow_classes) == []


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ("Fin Whale", "fin_whale", "label-spellings"),
        ("Rorqual commun é", "rorqual  commun e", "label-spellings"),
        ("humpback", "humpbak", "label-slips"),
        ("upcall", "upcalls", "label-slips"),
        ("unit 1", "unit 2", None),
        ("type a", "type b", None),
        ("fin whale", "sei whale", None),
        ("blue whale", "blue whale song", None),
    ],
)
def test_two_spellings_of_one_label(clean, one, other, code):
    name = clean[0]["recording"][0]
    found = examine(clean[0], tables.events([call(name, 1, 2, one), call(name, 3, 4, other)]), labels.spellings)
    assert codes(found) == ([code] if code else [])


def test_a_call_much_longer_than_its_kind(clean):
    recordings, events = clean
    found = examine(recordings, with_events(events, call(recordings["recording"][0], 5.0, 16.0)), labels.odd_lengths)
    assert the(found, "odd-lengths").rows["length"].tolist() == [11.0]
    assert examine(recordings, events, labels.odd_lengths) == []


# Clips and the front end


def test_calls_shorter_than_a_frame(clean):
    name = clean[0]["recording"][0]
    events = tables.events([call(name, 1.0, 1.02), call(name, 3.0, 3.1), call(name, 5.0, 6.0)])
    found = examine(clean[0], events, frontend.short_calls)
    assert the(found, "call-below-hop").rows["onset"].tolist() == [1.0]
    assert the(found, "call-below-window").rows["onset"].tolist() == [3.0]
    assert examine(*clean, frontend.short_calls) == []


def test_calls_longer_than_a_clip(clean):
    recordings, events = clean
    name = recordings["recording"][0]
    found = examine(recordings, with_events(events, call(name, 5.0, 9.0)), frontend.long_calls)
    assert the(found, "call-above-clip").severity == "note"
    assert the(examine(recordings, events, frontend.long_calls, clip_seconds=0.9), "call-above-clip").count == 48
    assert codes(examine(recordings, events, frontend.long_calls, clip_seconds=0.9), "warning") == ["call-above-clip"]
    assert examine(recordings, events, frontend.long_calls, clip_seconds=1.0) == []


def test_calls_that_the_band_leaves_out(clean):
    found = examine(*clean, frontend.calls_outside_band, band_low_hz=180.0)
    assert set(the(found, "call-outside-band").rows["label"]) == {"upcall"}
    assert examine(*clean, frontend.calls_outside_band) == []


def test_empty_mel_bands_are_named_with_knobs_that_really_fill_them(clean):
    found = examine(*clean, frontend.mel_bands, n_mels=128, window_seconds=0.128, mel_break_hz=20.0)
    one = the(found, "empty-mel-bands")
    assert one.severity == "error"
    words = one.mend.split()
    n_mels, window = int(words[words.index("n_mels") + 2]), float(words[words.index("window_seconds") + 2])
    rest = {"mel_break_hz": 20.0}
    assert examine(*clean, frontend.mel_bands, n_mels=n_mels, window_seconds=0.128, **rest) == []
    assert examine(*clean, frontend.mel_bands, n_mels=n_mels + 1, window_seconds=0.128, **rest) != []
    assert examine(*clean, frontend.mel_bands, n_mels=128, window_seconds=window, **rest) == []
    assert examine(*clean, frontend.mel_bands) == []


def test_a_band_above_the_rate_and_a_window_of_no_samples(clean):
    assert codes(examine(*clean, frontend.mel_bands, band_high_hz=1001.0)) == ["band-above-rate"]
    assert codes(examine(*clean, frontend.mel_bands, hop_seconds=0.0001)) == ["window-below-sample"]
    assert codes(examine(*clean, frontend.mel_bands, clip_seconds=0.2)) == ["window-above-clip"]


@pytest.mark.parametrize("n_mels", [8, 40, 64, 90, 128, 200])
@pytest.mark.parametrize("scale", ["break", "htk", "slaney"])
@pytest.mark.parametrize(("window", "break_hz"), [(0.256, 100.0), (0.064, 100.0), (0.5, 10.0)])
def test_bands_are_empty_where_the_front_end_says_so(clean, n_mels, scale, window, break_hz):
    features = pytest.importorskip("whalelib.features")
    knobs = {"n_mels": n_mels, "window_seconds": window, "mel_scale": scale, "mel_break_hz": break_hz}
    found = examine(*clean, frontend.mel_bands, **knobs)
    if not found:
        assert features.build(RATE, **knobs).bands == n_mels
    else:
        with pytest.raises(InputError, match=f"mel band {found[0].rows['band'].iloc[0]} of {n_mels} "):
            features.build(RATE, **knobs)


def test_a_picture_without_mel_bands_has_none_that_are_empty(clean):
    assert examine(*clean, frontend.mel_bands, front_end="linear", n_mels=500) == []


# The sound


def noise(seconds=SECONDS, level=0.05, seed=1):
    return level * np.random.default_rng(seed).standard_normal(int(seconds * RATE))


def sound_codes(tmp_path, samples, *checks, **also):
    path = write(tmp_path / "bad.wav", samples, **also)
    good = write(tmp_path / "good.wav", noise(seed=2))
    found = examine(recordings_of([row_of(path), row_of(good, "b")]), tables.events([]), *checks)
    assert all(f.rows["recording"].tolist() == ["bad"] for f in found)
    return codes(found)


ALL_SOUND = (
    sound.unreadable_recordings,
    sound.silent_recordings,
    sound.clipped_recordings,
    sound.dropouts,
    sound.dc_offset,
)


def test_clipping(tmp_path):
    assert sound_codes(tmp_path, np.clip(noise(level=0.9), -1, 0.99997), *ALL_SOUND) == ["clipped"]


def test_clipping_below_full_scale(tmp_path):
    t = np.arange(int(SECONDS * RATE)) / RATE
    loud = noise() + 0.4 * np.sin(2 * np.pi * 20 * t)
    assert sound_codes(tmp_path, np.clip(loud, -0.4, 0.4), *ALL_SOUND) == ["clipped"]


def test_a_loud_wave_that_peaks_at_full_scale_is_not_clipped(tmp_path):
    t = np.arange(int(SECONDS * RATE)) / RATE
    wave = np.sin(2 * np.pi * 20 * t) * (1 + 0.1 * np.sin(t)) + noise(level=0.001)
    assert sound_codes(tmp_path, 0.999 * wave / np.abs(wave).max(), *ALL_SOUND) == []


def test_silence_is_no_dropout_and_no_clipping(tmp_path):
    assert sound_codes(tmp_path, np.zeros(40000), *ALL_SOUND) == ["silent"]
    assert sound_codes(tmp_path, np.full(40000, 0.25), *ALL_SOUND) == ["silent"]


def test_hardly_any_sound(tmp_path):
    assert sound_codes(tmp_path, noise(level=1e-5), *ALL_SOUND, subtype="FLOAT") == ["faint"]


def test_dropouts(tmp_path):
    held = noise()
    held[10000:10200] = held[9999]
    assert sound_codes(tmp_path, held, *ALL_SOUND) == ["dropouts"]
    brief = noise()
    brief[10000:10050] = 0  # 25 ms
    assert sound_codes(tmp_path, brief, *ALL_SOUND) == []


def test_a_constant_part(tmp_path):
    assert sound_codes(tmp_path, noise() + 0.05, *ALL_SOUND) == ["dc-offset"]


def test_a_sample_that_is_no_number_loses_neither_the_recording_nor_the_others(tmp_path):
    samples = noise(seconds=100)
    samples[0] = np.nan
    path = write(tmp_path / "bad.wav", samples, subtype="FLOAT")
    recordings = recordings_of([row_of(path)])
    found = examine(recordings, tables.events([]), sound.unreadable_recordings, listen_seconds=20.0)
    assert codes(found, "error") == ["not-a-number"]
    held = np.concatenate([samples[:100000], np.zeros(100000)])
    write(path, held, subtype="FLOAT")
    assert codes(examine(recordings, tables.events([]), *ALL_SOUND)) == ["not-a-number", "dropouts"]


def test_a_recording_that_cannot_be_read_is_a_finding_and_not_the_end(clean, tmp_path):
    recordings, events = clean
    rows = recordings.iloc[[0, 0, 0, 0]].assign(
        recording=["gone", "text", "longer", "faster"], path=[str(tmp_path / f"{n}.wav") for n in "abcd"]
    )
    (tmp_path / "b.wav").write_text("no sound")
    write(tmp_path / "c.wav", noise(seconds=10))
    write(tmp_path / "d.wav", noise(seconds=10), rate=4000)
    found = examine(pd.concat([recordings, rows]), events)
    assert the(found, "unreadable").rows["recording"].tolist() == ["gone", "text"]
    assert the(found, "other-length").rows["recording"].tolist() == ["longer"]
    assert the(found, "other-format").rows["recording"].tolist() == ["faster"]


def test_a_file_that_is_cut_short(tmp_path):
    path = write(tmp_path / "bad.wav", noise())
    row = row_of(path)
    path.write_bytes(path.read_bytes()[:-20000])
    found = examine(recordings_of([{**row, "seconds": 15.0}]), tables.events([]), sound.unreadable_recordings)
    assert codes(found) == ["cut-short"]


def test_sample_rates(tmp_path):
    slow, fast = write(tmp_path / "slow.wav", noise(), rate=1000), write(tmp_path / "fast.wav", noise(), rate=4000)
    recordings = recordings_of([row_of(slow), row_of(fast)])
    found = examine(recordings, tables.events([]), sound.sample_rates)
    assert the(found, "rate-below-band").rows["recording"].tolist() == ["slow"]
    found = examine(recordings, tables.events([]), sound.sample_rates, band_high_hz=500.0)
    assert codes(found, "note") == ["mixed-rates"]
    assert codes(examine(recordings[:1], tables.events([]), sound.sample_rates), "error") == ["rate-below-band"]
    assert examine(recordings[1:], tables.events([]), sound.sample_rates) == []


def test_calls_above_what_the_clips_or_the_recording_hold(tmp_path):
    recordings = recordings_of([row_of(write(tmp_path / "a.wav", noise(), rate=4000))])

    def found(low_hz, high_hz):
        events = tables.events([call("a", 1.0, 2.0, low_hz=low_hz, high_hz=high_hz)])
        return [(f.code, f.severity) for f in examine(recordings, events, sound.rate_below_calls)]

    assert found(100.0, 1000.0) == []
    assert found(100.0, 1500.0) == [("call-above-rate", "warning")]
    assert found(1200.0, 1500.0) == [("call-above-rate", "error")]
    assert found(100.0, 2500.0) == [("call-above-recording", "warning")]


def test_a_long_recording_is_heard_in_windows_spread_over_it():
    assert windows(10.0, 20.0) == [(0.0, 10.0)]
    pieces = np.array(windows(50.0, 60.0))
    np.testing.assert_allclose(pieces, [[0, 50 / 3], [50 / 3, 50 / 3], [100 / 3, 50 / 3]])
    spread = windows(3600.0, 20.0)
    assert len(spread) == 10
    assert (spread[0], spread[-1]) == ((0.0, 2.0), (3598.0, 2.0))
    assert windows(3600.0, 0.5) == [(0.0, 0.5)]


def test_the_meter_reads_the_same_in_pieces():
    samples = (noise() + 0.01).astype(np.float32)
    samples = np.clip(samples, -0.1, 0.1)
    whole, pieces = _Meter(), _Meter()
    whole.hear(samples, RATE)
    for first in range(0, len(samples), 7777):
        pieces.hear(samples[first : first + 7777], RATE)
    one, two = whole.row(RATE), pieces.row(RATE)
    assert one["digest"] == two["digest"]
    assert one["rms"] == pytest.approx(np.std(samples.astype(float)), rel=1e-9) == pytest.approx(two["rms"])
    assert one["dc"] == pytest.approx(np.mean(samples.astype(float)), rel=1e-9)
    assert one["peak"] == two["peak"] == np.float32(0.1)
    # Runs of three or more at the limits, counted by hand.
    at = np.abs(samples) == np.float32(0.1)
    key = np.sign(samples) * at
    edges = np.flatnonzero(np.diff(key)) + 1
    runs = np.split(key, edges)
    by_hand = sum(len(run) for run in runs if run[0] != 0 and len(run) >= 3)
    assert by_hand > 0
    assert one["clipped_share"] == pytest.approx(by_hand / len(samples))


# Copies


def copies_of(tmp_path, original, copy, groups=("a", "b"), rates=(RATE, RATE), name="copy.wav", subtype="PCM_16"):
    """What the doctor says of an original, its copy, and ten recordings that have nothing to do with them."""
    rows = [
        row_of(write(tmp_path / "original.wav", original, rates[0]), groups[0]),
        row_of(write(tmp_path / name, copy, rates[1], subtype=subtype), groups[1]),
    ]
    rows += [row_of(write(tmp_path / f"other{k}.wav", song(seed=100 + k)), f"g{k}") for k in range(10)]
    found = examine(recordings_of(rows), tables.events([]), copies.equal_audio, copies.similar_audio)
    assert all(set(f.rows.iloc[0][["recording", "other"]]) == {"original", "copy"} for f in found)
    assert all(f.count == 1 for f in found)
    return codes(found)


def song(seconds=4.0, seed=0):
    """Noise with a few sweeps at random places, and a strong hum that all recordings share."""
    rng = np.random.default_rng(seed)
    samples = 0.02 * rng.standard_normal(int(seconds * RATE))
    samples += 0.1 * np.sin(2 * np.pi * 60 * np.arange(len(samples)) / RATE)
    for _ in range(3):
        first = int(rng.uniform(0, len(samples) - 1000))
        samples[first : first + 1000] += rng.uniform(0.02, 0.1) * sweep(*rng.uniform(80, 700, 2), seconds=0.5)
    return samples


def test_recordings_that_only_share_their_hum_are_no_copies(tmp_path):
    assert copies_of(tmp_path, song(seed=1), song(seed=2)) == []


def test_equal_samples(tmp_path):
    assert copies_of(tmp_path, song(), song()) == ["equal-audio-across-groups"]
    assert copies_of(tmp_path, song(), song(), groups=("a", "a")) == ["equal-audio"]


def test_equal_samples_in_another_format(tmp_path):
    # Encoders round floats each in their own way, but whole numbers not at all.
    whole = np.round(song() * 32768).astype(np.int16)
    assert copies_of(tmp_path, whole, whole, name="copy.flac") == ["equal-audio-across-groups"]


def test_equal_silence_is_no_copy(tmp_path):
    rows = [row_of(write(tmp_path / f"{k}.wav", np.zeros(8000)), str(k)) for k in range(2)]
    assert examine(recordings_of(rows), tables.events([]), copies.equal_audio, copies.similar_audio) == []


def test_labels_that_differ_between_copies_are_counted(tmp_path):
    rows = [row_of(write(tmp_path / f"{k}.wav", song()), str(k)) for k in range(2)]
    found = examine(recordings_of(rows), tables.events([call("0", 1.0, 2.0)]), copies.equal_audio)
    assert "1 differ in the labels" in the(found, "equal-audio-across-groups").what


def test_a_copy_of_another_gain_rate_or_beginning(tmp_path):
    original = song(seconds=6.0)
    similar = ["similar-audio-across-groups"]
    assert copies_of(tmp_path, original, 0.3 * original) == similar
    assert copies_of(tmp_path, original, resample_poly(original, 2, 1), rates=(RATE, 2 * RATE)) == similar
    assert copies_of(tmp_path, original, resample_poly(original, 6, 1), rates=(RATE, 6 * RATE)) == similar
    # 2237 samples are no whole number of frames.
    assert copies_of(tmp_path, original[:10000], original[2237:]) == similar
    assert copies_of(tmp_path, original, original + noise(6.0, 0.005)) == similar
    assert copies_of(tmp_path, original, 0.3 * original, groups=("a", "a")) == []


# Shortcuts


def shortcut_set(tmp_path, count=60, louder=1.0, longer=0.0, offset=0.0, named="x", blocked=False, grouped=1):
    rng = np.random.default_rng(9)
    rows, events = [], []
    has = rng.permutation(np.arange(count) % 2 == 0)
    if blocked:
        has = np.arange(count) >= count // 2
    for k in range(count):
        gain = 0.02 * 2 ** rng.uniform(-1, 1) * (louder if has[k] else 1.0)
        samples = gain * rng.standard_normal(int((2.0 + longer * has[k]) * RATE)) + offset * has[k]
        name = f"{named if has[k] else 'x'}{k:03d}"
        rows.append(row_of(write(tmp_path / f"{name}.wav", samples), f"g{k // grouped}"))
        if has[k]:
            events.append(call(name, 0.5, 1.5))
    return recordings_of(rows), tables.events(events)


def shortcuts_found(found):
    return {(f.severity, by) for f in found for by in f.rows["by"]}


@pytest.mark.parametrize(
    ("made", "severity", "by"),
    [
        ({"louder": 6.0}, "error", {"rms", "peak"}),
        ({"louder": 2.0}, "warning", {"rms", "peak"}),
        ({"longer": 1.0}, "error", {"seconds"}),
        ({"offset": 0.01}, "error", {"dc"}),
        ({"named": "y"}, "warning", {"name", "order"}),
        ({"blocked": True}, "warning", {"name", "order"}),
    ],
)
def test_what_gives_a_call_away_is_found(tmp_path, made, severity, by):
    found = examine(*shortcut_set(tmp_path, **made), shortcuts.shortcuts)
    assert set(codes(found)) == {"shortcut"}
    assert {name for s, name in shortcuts_found(found) if s == severity} == by


def test_a_set_without_shortcuts_has_none(tmp_path):
    recordings, events = shortcut_set(tmp_path)
    assert examine(recordings, events, shortcuts.shortcuts) == []


def test_names_that_spell_their_label_tell_it_on_purpose(tmp_path):
    assert examine(*shortcut_set(tmp_path, named="upcall_"), shortcuts.shortcuts) == []


def test_many_clips_of_few_groups_prove_little(tmp_path):
    recordings, events = shortcut_set(tmp_path, louder=2.0)
    few = recordings.assign(group=[f"g{k % 4}" for k in range(len(recordings))])
    assert examine(few, events, shortcuts.shortcuts) == []


def test_names_of_tapes_tell_nothing_about_other_tapes(tmp_path):
    """Each tape holds calls or none, and its files carry its name: no file's name helps on a tape not seen before."""
    rng = np.random.default_rng(4)
    rows, events = [], []
    for tape in range(40):
        letters = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6))
        for k in range(3):
            path = write(tmp_path / f"{letters}_{k}.wav", noise(1.0, seed=3 * tape + k))
            rows.append(row_of(path, letters))
            if tape % 2:
                events.append(call(path.stem, 0.2, 0.8))
    assert examine(recordings_of(rows), tables.events(events), shortcuts.shortcuts) == []


def test_one_species_against_another_is_a_target_too(tmp_path):
    recordings, events = shortcut_set(tmp_path, louder=6.0)
    others = recordings.loc[~recordings["recording"].isin(events["recording"]), "recording"]
    both = with_events(events, *(call(name, 0.5, 1.5, "song") for name in others))
    found = examine(recordings, both, shortcuts.shortcuts, exhaustive=False)
    assert set(the(found, "shortcut").rows["target"]) == {"upcall", "song"}


def test_what_cannot_be_tested_is_said(tmp_path):
    recordings, events = shortcut_set(tmp_path)
    found = examine(recordings, events, shortcuts.shortcuts, exhaustive=False)
    assert codes(found, "note") == ["shortcuts-not-tested"]


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    truth, score = rng.random(50) < 0.3, rng.integers(0, 6, 50)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[truth] for b in score[~truth]]
    assert shortcuts.auc(truth, score) == pytest.approx(np.mean(pairs))
    assert np.isnan(shortcuts.auc(np.ones(3, bool), np.arange(3)))


# The clock


@pytest.fixture(scope="module")
def hourly(tmp_path_factory):
    """A synthetic ocean, its recordings an hour apart, as a recorder that sleeps between makes them."""
    folder = tmp_path_factory.mktemp("hourly") / "ocean"
    recordings, events = synth.ocean(folder, ocean_days=10, ocean_sites=1, ocean_minutes=1.0, ocean_density=2.0)
    hours = pd.to_timedelta(np.arange(len(recordings)), unit="h")
    return recordings.assign(start=pd.Timestamp("2009-03-28", tz="UTC") + hours), events


def moved(recordings, events, seconds):
    """The events as a log of absolute times that are late by so many seconds would place them."""
    start = recordings.set_index("recording")["start"]
    at = events["recording"].map(start) + pd.to_timedelta(events["onset"] + seconds, unit="s")
    length = events["offset"] - events["onset"]
    rows = []
    for rec in recordings.itertuples():
        onset = (at - rec.start).dt.total_seconds()
        inside = (onset >= 0) & (onset + length <= rec.seconds)
        rows.append(events[inside].assign(recording=rec.recording, onset=onset, offset=onset + length))
    return tables.events(pd.concat(rows))


def test_times_that_fit_are_left_alone(hourly):
    recordings, events = hourly
    assert examine(recordings, events, clock.clock) == []
    pd.testing.assert_series_equal(
        moved(recordings, events, 0)["onset"], events.loc[:, "onset"], atol=1e-6, check_index=False
    )


@pytest.mark.parametrize(("late", "says"), [(7200, "-2 h"), (-10800, "+3 h"), (3, "-3 s"), (-2, "+2 s")])
def test_a_wrong_zone_and_a_wrong_clock_are_measured(hourly, late, says):
    recordings, events = hourly
    one = the(examine(recordings, moved(recordings, events, late), clock.clock), "clock-offset")
    assert one.severity == "warning"
    assert one.rows["offset_seconds"].iloc[0] == -late
    assert f"Moved by {says}," in one.what
    assert f"move the annotations by {says}" in one.mend


def test_recorders_are_not_compared_with_each_other(hourly):
    """Hours later another mooring hears other whales: only the same mooring's recordings can tell."""
    recordings, events = hourly
    late = moved(recordings, events, 7200)
    apart = recordings["recording"].where(np.arange(len(recordings)) % 4 < 2, "far_" + recordings["recording"])
    names = dict(zip(recordings["recording"], apart, strict=True))
    separate = recordings.assign(recording=apart)
    found = examine(separate, late.assign(recording=late["recording"].map(names)), clock.clock)
    assert "clock-offset" not in codes(found)


def test_without_start_times_only_seconds_are_tried(hourly):
    recordings, events = hourly
    timeless = recordings.assign(start=pd.Series(pd.NaT, index=recordings.index, dtype="datetime64[ns, UTC]"))
    assert codes(examine(timeless, moved(recordings, events, 3), clock.clock)) == ["clock-offset"]
    assert codes(examine(timeless, moved(recordings, events, 7200), clock.clock)) == ["clock-unclear"]


def test_labels_for_whole_files_say_nothing_about_the_clock(hourly):
    recordings, events = hourly
    whole = tables.events([call(name, 0.0, 60.0) for name in recordings["recording"]] * 3)
    assert codes(examine(recordings, whole, clock.clock)) == ["clock-not-tested"]
    assert codes(examine(recordings, events[:19], clock.clock)) == ["clock-not-tested"]


@pytest.mark.parametrize(
    ("name", "recorder"),
    [
        ("SITEA_20090328_101500", "SITEA_"),
        ("PU194_20090111T003000Z", "PU194_"),
        ("NOPP6_EST_20090328_000000_CH10", "NOPP6_EST__CH10"),
        ("tape7", "tape7"),
    ],
)
def test_a_recorder_is_a_name_without_its_time(name, recorder):
    assert clock.recorder_of(name) == recorder


# All together


def test_what_was_measured_is_kept_for_those_who_draw_it(hourly):
    recordings, events = hourly
    case = doctor.admit(recordings, moved(recordings, events, -2), exhaustive=True, progress=False)
    assert "clock-offset" in codes(doctor.diagnose(case))
    assert case.clock.loc[case.clock["contrast_db"].idxmax(), "offset_seconds"] == 2
    loudness = 20 * np.log10(case.heard.table["rms"])
    assert sorted(np.concatenate(list(case.levels.values()))) == pytest.approx(sorted(loudness))
    assert len(case.levels["with a call"]) == case.calls["recording"].nunique()
    fig, axes = plt.subplots(1, 2)
    plots.clock(axes[0], case.clock)
    seconds, hours = axes[0].get_lines()[:2]
    assert seconds.get_xdata()[np.argmax(seconds.get_ydata())] == 2 and set(hours.get_xdata()) >= {-1, 1}
    table = pd.DataFrame({"by": ["rms", "rms", "name"], "auc": [0.6, 0.9, 0.5]})
    plots.shortcuts(axes[1], table)
    assert sorted(bar.get_width() for bar in axes[1].patches) == [0.5, 0.9]  # the best of each
    for draw, table in ((plots.clock, case.clock[:0]), (plots.shortcuts, case.shortcuts[:0])):
        draw(axes[0], table)  # nothing could be tested, and that is no reason to stop
    plt.close(fig)


def test_a_check_that_cannot_be_made_does_not_lose_the_others(clean):
    def refuses(case):
        raise InputError("the disk is gone.")

    found = examine(*clean, refuses, annotated.recordings_without_events)
    assert codes(found) == ["not-checked", "no-annotation"]
    assert "The check refuses could not be made: the disk is gone." in found[0].what


def test_listening_time_must_be_some(clean):
    with pytest.raises(InputError, match="must listen for some time"):
        examine(*clean, listen_seconds=0.0)


def test_every_check_is_registered_once():
    modules = [annotated, labels, frontend, sound, copies, shortcuts, clock]
    public = {
        function
        for module in modules
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and list(inspect.signature(function).parameters) == ["case"]
    } - {shortcuts.has_call, shortcuts.measured}
    assert set(doctor.CHECKS) == public
    assert len(doctor.CHECKS) == len(public)


def test_real_right_whale_clips_are_told_by_their_loudness(real_data):
    """Known of this set: RMS alone reaches 0.70, so a detector near that has learnt nothing; some noise is twice."""
    listed = pd.read_csv(real_data / "right_whale" / "labels.csv")
    rows = [
        {
            "recording": file.removesuffix(".wav"),
            "path": str(real_data / "right_whale" / "audio" / file),
            "start": pd.NaT,
            "seconds": 2.0,
            "sample_rate": 2000,
            "channels": 1,
            "group": file,
        }
        for file in listed["file"]
    ]
    truth = listed["label"].map({"upcall": "present", "noise": "absent"})
    events = pd.DataFrame(
        {"recording": [r["recording"] for r in rows], "onset": 0.0, "offset": 2.0, "label": "upcall", "truth": truth}
    )
    checks = (copies.equal_audio, shortcuts.shortcuts)
    found = examine(recordings_of(rows), tables.events(events), *checks, exhaustive=False, clip_seconds=2.0)
    auc = the(found, "shortcut").rows.set_index("by")["auc"]
    assert auc["rms"] == pytest.approx(0.70, abs=0.005)
    assert the(found, "equal-audio-across-groups").count == 148
