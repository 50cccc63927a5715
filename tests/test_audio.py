"""Sound files: what is padded, probed, read and streamed, and the sentence for each file that cannot be."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from mutation import mutants
from refusal import refused

from whalelib import audio
from whalelib.audio import files, headers
from whalelib.errors import InputError

FILES = [
    ("wav", "PCM_U8", 600),
    ("wav", "PCM_16", 2000),
    ("wav", "PCM_24", 48000),
    ("wav", "PCM_32", 11025),
    ("wav", "FLOAT", 44100),
    ("wav", "DOUBLE", 2000),
    ("flac", "PCM_S8", 8000),
    ("flac", "PCM_16", 2000),
    ("flac", "PCM_24", 48000),
]
STEP = {"PCM_U8": 2**-7, "PCM_S8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23}  # one step of the quantiser


def noise(seconds, rate, channels=1, seed=0):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    return samples.astype(np.float32).squeeze()


def written(path, samples, rate, subtype="FLOAT"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


# Padding


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("zeros", [1, 2, 3, 0, 0, 0, 0, 0]),
        ("wrap", [1, 2, 3, 1, 2, 3, 1, 2]),
        ("reflect", [1, 2, 3, 2, 1, 2, 3, 2]),
        ("mirror", [1, 2, 3, 3, 2, 1, 1, 2]),
        ("zeros_mirror", [1, 2, 3, 0, 0, 3, 2, 1]),
        ("edge", [1, 2, 3, 3, 3, 3, 3, 3]),
        ("centre", [0, 0, 1, 2, 3, 0, 0, 0]),
    ],
)
def test_padding_fills_as_it_says(mode, expected):
    assert audio.pad(np.array([1.0, 2.0, 3.0]), 8, mode).tolist() == expected


@pytest.mark.parametrize(
    ("mode", "numpys"), [("zeros", "constant"), ("wrap", "wrap"), ("reflect", "reflect"), ("mirror", "symmetric")]
)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_padding_at_the_end_is_numpys(mode, numpys, length):
    waveform = noise(1, 8)[:length]
    assert audio.pad(waveform, 20, mode).tolist() == np.pad(waveform, (0, 20 - length), mode=numpys).tolist()


@pytest.mark.parametrize("mode", ["wrap", "reflect", "mirror", "edge"])
def test_a_single_sample_is_repeated(mode):
    assert audio.pad(np.array([5.0]), 4, mode).tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize("mode", audio.PADDINGS)
def test_a_batch_is_padded_along_its_last_axis(mode):
    batch = np.stack([noise(1, 5, seed=1), noise(1, 5, seed=2)])
    padded = audio.pad(batch, 13, mode, np.random.default_rng(3))
    alone = [audio.pad(row, 13, mode, np.random.default_rng(3)) for row in batch]
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded, alone)


@pytest.mark.parametrize("mode", audio.PADDINGS)
@pytest.mark.parametrize("length", [3, 5])
def test_a_waveform_that_is_long_enough_is_left_alone(mode, length):
    waveform = noise(1, 5)
    np.testing.assert_array_equal(audio.pad(waveform, length, mode), waveform)


def test_random_padding_places_the_call_whole_and_anywhere():
    rng, places = np.random.default_rng(0), set()
    for _ in range(60):
        padded = audio.pad(np.array([1.0, 2.0, 3.0]), 6, "random", rng)
        at = int(np.argmax(padded == 1))
        assert padded.sum() == 6 and padded[at : at + 3].tolist() == [1, 2, 3]
        places.add(at)
    assert places == {0, 1, 2, 3}


def test_random_padding_repeats_with_its_seed():
    one, two = (audio.pad(np.ones(3), 1000, "random", np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("mode", ["wrap", "reflect", "mirror", "edge"])
def test_an_empty_waveform_has_nothing_to_repeat(mode):
    refused(lambda: audio.pad(np.zeros(0), 4, mode), repr(mode), "nothing to repeat", "'zeros'")


@pytest.mark.parametrize("mode", ["zeros", "centre", "random"])
def test_an_empty_waveform_becomes_silence(mode):
    assert audio.pad(np.zeros(0), 4, mode).tolist() == [0, 0, 0, 0]


def test_an_unknown_padding_is_refused_even_when_nothing_is_missing():
    refused(lambda: audio.pad(np.ones(9), 4, "symmetric"), "'symmetric'", "mirror")


# Reading


@pytest.mark.parametrize(("kind", "subtype", "rate"), FILES)
@pytest.mark.parametrize("channels", [1, 4])
def test_every_sort_of_file_is_probed_and_read(tmp_path, kind, subtype, rate, channels):
    samples = noise(2, rate, channels)
    path = written(tmp_path / f"a.{kind}", samples, rate, subtype)
    assert audio.probe(path) == audio.Probe(2.0, rate, channels)
    got = audio.read(path, 0, 2, channel=channels)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, samples.reshape(len(samples), -1)[:, -1], atol=STEP.get(subtype, 1e-7))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_a_plain_header_says_what_the_decoder_says(tmp_path, subtype, channels):
    path = written(tmp_path / "a.WAV", noise(1, 2000, channels), 2000, subtype)
    about, found = soundfile.info(path), headers.plain_wav(path)
    # Others are the decoder's: floats, and where the writer put further chunks around the samples.
    assert found in (None, (about.samplerate, about.channels, about.frames))
    assert (found is not None) == (about.format == "WAV" and subtype != "FLOAT")


def test_clips_with_a_plain_header_are_probed_without_a_decoder(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav", noise(1, 2000), 2000, "PCM_16")
    monkeypatch.setattr(files.soundfile, "SoundFile", None)
    assert audio.probe(path) == audio.probe(str(path)) == audio.probe(path.as_uri()) == audio.Probe(1.0, 2000, 1)


def test_each_change_of_a_plain_header_is_judged_as_the_decoder_judges_it(tmp_path, monkeypatch):
    """Every byte of the header set to other values, and files that something happened to: with and without."""
    whole = written(tmp_path / "a.wav", noise(0.05, 2000, 2), 2000, "PCM_16").read_bytes()
    path, plain_wav = tmp_path / "b.wav", headers.plain_wav
    changed = [whole[:at] + bytes([value]) + whole[at + 1 :] for at in range(44) for value in (0, 1, 3, 8, 44, 255)]
    cut = [whole[:length] for length in (0, 11, 43, 44, 45, 46, 47, 48, 100)] + [whole + b"\0", whole + whole]
    plain = 0
    for data in [*changed, *cut, *mutants(whole, 200)]:
        path.write_bytes(data)
        monkeypatch.setattr(files, "plain_wav", plain_wav)
        quick = outcome(path)
        monkeypatch.setattr(files, "plain_wav", lambda path: None)
        assert quick == outcome(path), data[:44]
        plain += plain_wav(path) is not None
    assert 0 < plain < 200


def outcome(path):
    try:
        return audio.probe(path)
    except InputError as error:
        return str(error)


def test_each_channel_is_its_own(tmp_path):
    samples = np.tile(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (100, 1))
    path = written(tmp_path / "a.wav", samples, 100)
    for channel in (1, 2, 3, 4):
        np.testing.assert_array_equal(audio.read(path, 0, 1, channel=channel), samples[:, channel - 1])
        np.testing.assert_array_equal(next(audio.stream(path, 100, channel)).samples, samples[:, channel - 1])


@pytest.mark.parametrize("channel", [-1, 0, 5])
def test_a_channel_that_is_not_there_is_refused(tmp_path, channel):
    path = written(tmp_path / "a.wav", noise(1, 100, 4), 100)
    refused(lambda: audio.read(path, 0, 1, channel=channel), "a.wav", "4 channel(s)", f"channel {channel};")
    refused(lambda: list(audio.stream(path, 100, channel)), "a.wav", "4 channel(s)", f"channel {channel};")


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_window_is_the_slice_of_the_whole_file(tmp_path, kind):
    path = written(tmp_path / f"a.{kind}", noise(10, 2000), 2000, "PCM_16")
    whole = audio.read(path, 0, 10)
    for onset, seconds in [(0, 1), (2.5, 3), (9, 1), (3.1415, 0.5), (0.0005, 0.0005)]:
        first, last = round(onset * 2000), round((onset + seconds) * 2000)
        np.testing.assert_array_equal(audio.read(path, onset, seconds), whole[first:last])


@pytest.mark.parametrize(("sample_rate", "there"), [(None, 1000), (2000, 1000), (1000, 500), (4000, 2000)])
def test_reading_past_the_end_gives_what_is_there(tmp_path, sample_rate, there):
    path = written(tmp_path / "a.wav", noise(2, 2000), 2000)
    assert len(audio.read(path, 1.5, 30, sample_rate)) == there
    assert len(audio.read(path, 2, 1, sample_rate)) == 0
    assert len(audio.read(path, 900, 1, sample_rate)) == 0


@pytest.mark.parametrize(("onset", "seconds"), [(-0.1, 1), (0, 0), (0, -1)])
def test_a_window_counts_forward(tmp_path, onset, seconds):
    path = written(tmp_path / "a.wav", noise(1, 100), 100)
    refused(lambda: audio.read(path, onset, seconds), "a.wav", f"{onset:g} s")


@pytest.mark.parametrize(
    ("rate", "to"),
    [
        (48000, 2000),
        (2000, 48000),
        (48000, 32000),
        (44100, 2000),  # these begin between two samples of the new rate
        (44100, 16000),
        (600, 2000),
    ],
)
def test_a_resampled_window_equals_the_same_window_of_the_whole_resampled(tmp_path, rate, to):
    samples = noise(6, rate)
    path = written(tmp_path / "a.wav", samples, rate)
    whole = soxr.resample(samples, rate, to)
    for onset, seconds in [(0, 1), (1, 1), (2.5, 2), (5.5, 1)]:
        expected = whole[round(onset * to) : round((onset + seconds) * to)]
        np.testing.assert_allclose(audio.read(path, onset, seconds, to), expected, atol=1e-4)


@pytest.mark.parametrize("rate", [600, 44100])
def test_resampling_keeps_a_tone_where_and_as_loud_as_it_was(tmp_path, rate):
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(4 * rate) / rate)
    got = audio.read(written(tmp_path / "a.wav", tone, rate), 1, 2, 2000)
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got)))) / len(got) * 4
    assert np.argmax(spectrum) / 2 == 100  # two seconds, so a bin is half a hertz
    assert spectrum.max() == pytest.approx(0.5, rel=2e-3)
    assert np.abs(got).max() == pytest.approx(0.5, rel=2e-2)


def test_reading_a_window_of_a_large_file_takes_little_memory(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(1000), 2000, "PCM_16")
    size = 300_000_000
    with path.open("r+b") as file:  # a sparse file: its samples exist in the header's numbers only
        header = bytearray(file.read(44))
        header[4:8], header[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
        file.seek(0)
        file.write(header)
        file.truncate(44 + size)
    assert audio.probe(path).seconds == 75_000
    for sample_rate in (2000, 1000):
        tracemalloc.start()
        assert len(audio.read(path, 60_000, 1, sample_rate)) == sample_rate
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000


# Streaming


def joined(blocks):
    return np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize("block_seconds", [0.0001, 0.37, 1.0, 60.0])
def test_blocks_joined_are_the_whole_recording(tmp_path, block_seconds):
    samples = noise(2.5, 600)
    blocks = list(audio.stream(written(tmp_path / "a.wav", samples, 600), 600, block_seconds=block_seconds))
    np.testing.assert_array_equal(joined(blocks), samples)
    assert max(len(block.samples) for block in blocks) <= max(block_seconds * 600, 1)


@pytest.mark.parametrize(("rate", "to"), [(48000, 2000), (44100, 16000), (600, 2000), (2000, 600)])
@pytest.mark.parametrize("block_seconds", [0.3, 1.0, 60.0])
def test_resampled_blocks_have_no_seams(tmp_path, rate, to, block_seconds):
    samples = noise(3.3, rate)
    got = joined(audio.stream(written(tmp_path / "a.wav", samples, rate), to, block_seconds=block_seconds))
    expected = soxr.resample(samples, rate, to)
    assert abs(len(got) - len(expected)) <= 1
    both = min(len(got), len(expected))
    np.testing.assert_allclose(got[:both], expected[:both], atol=1e-4)


@pytest.mark.parametrize("to", [2000, 600])
def test_a_blocks_onset_is_where_its_samples_begin(tmp_path, to):
    path = written(tmp_path / "a.wav", noise(3.3, 2000), 2000)
    given = 0
    for block in audio.stream(path, to, block_seconds=0.5):
        assert block.onset == given / to
        given += len(block.samples)
    assert given == pytest.approx(3.3 * to, abs=1)


# Broken files


def every_way(path):
    """All that one can do with a file."""
    return [lambda: audio.probe(path), lambda: audio.read(path, 0, 1), lambda: list(audio.stream(path, 2000))]


def unreadable(folder, kind):
    path = folder / "broken.wav"
    if kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("Selection\tView\tChannel\n" * 50)
    elif kind == "folder":
        path.mkdir()
    elif kind == "half a header":
        written(path, noise(1, 2000), 2000)
        path.write_bytes(path.read_bytes()[:30])
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("zero bytes", "zero bytes"),
        ("text", "cannot be read as sound"),
        ("missing", "cannot be opened"),
        ("folder", "is a folder"),
        ("half a header", "cannot be read as sound"),
    ],
)
def test_what_is_no_sound_file_is_refused_with_its_name(tmp_path, kind, says):
    for use in every_way(unreadable(tmp_path, kind)):
        refused(use, "broken.wav", says)


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "ogg", "mp3"])
def test_mutants_of_sound_files_are_read_or_refused(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, noise(0.3, 8000, 2), 8000)
    whole, refusals = path.read_bytes(), 0
    beginnings = [start + whole[64:] for start in mutants(whole[:64], 60)]
    for data in [*mutants(whole, 40), *beginnings]:
        path.write_bytes(data)
        for use in every_way(path):
            try:
                use()
            except InputError as error:
                assert "\n" not in str(error) and "a." in str(error)
                refusals += 1
    assert refusals


def test_a_header_without_samples_is_an_empty_recording(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(0), 2000)
    refused(lambda: audio.probe(path), "a.wav", "no samples", "empty recording")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_that_is_cut_short_says_how_much_there_is(tmp_path, subtype):
    path = written(tmp_path / "a.wav", noise(10, 2000), 2000, subtype)
    assert audio.probe(path).problem == ""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = audio.probe(path)
    assert found.seconds == pytest.approx(5, abs=0.05)
    assert "a.wav is cut short" in found.problem and f"first {found.seconds:.1f} s" in found.problem
    assert f"{len(whole) - len(whole) // 2:,} bytes" in found.problem
    assert len(audio.read(path, 4, 3)) == round((found.seconds - 4) * 2000)


def test_a_chunk_before_the_samples_is_not_mistaken_for_them(tmp_path):
    path = written(tmp_path / "a.wav", noise(1, 2000), 2000, "PCM_16")
    whole = path.read_bytes()
    odd = b"note" + (3).to_bytes(4, "little") + b"abc\0"  # a chunk of odd length is followed by a filling byte
    path.write_bytes(whole[:36] + odd + whole[36:])
    assert audio.probe(path) == audio.Probe(1.0, 2000, 1)
    path.write_bytes(whole[:36] + odd + whole[36:-1000])
    assert "1,000 bytes" in audio.probe(path).problem


def test_a_length_that_was_never_filled_in_is_no_problem(tmp_path):
    path = written(tmp_path / "a.wav", noise(1, 2000), 2000, "PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + b"\xff\xff\xff\xff" + whole[44:])
    assert audio.probe(path) == audio.Probe(1.0, 2000, 1)


def test_a_flac_that_is_cut_short_raises_where_it_breaks_off(tmp_path):
    path = written(tmp_path / "a.flac", noise(60, 2000), 2000, "PCM_16")
    before = audio.read(path, 5, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(audio.read(path, 5, 1), before)
    refused(lambda: audio.read(path, 55, 1), "a.flac")
    refused(lambda: list(audio.stream(path, 2000)), "a.flac")


def with_holes(path, *stretches):
    samples = noise(4, 2000)
    for first, last, value in stretches:
        samples[first:last] = value
    return written(path, samples, 2000), samples


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_reading_a_sample_that_is_no_number_raises_with_its_time(tmp_path, value):
    path, _ = with_holes(tmp_path / "a.wav", (3000, 3001, value))
    refused(lambda: audio.read(path, 1, 2), "a.wav", "no number", "1.500 s")
    assert np.isfinite(audio.read(path, 0, 1.5)).all() and np.isfinite(audio.read(path, 1.5005, 2)).all()


@pytest.mark.parametrize("to", [2000, 1000])
def test_streaming_zeros_what_is_no_number_and_lists_it(tmp_path, to):
    path, samples = with_holes(tmp_path / "a.wav", (0, 2, np.nan), (3000, 3500, np.inf), (7999, 8000, np.nan))
    blocks = list(audio.stream(path, to, block_seconds=1.0))
    clean = np.where(np.isfinite(samples), samples, 0)
    np.testing.assert_allclose(joined(blocks), clean if to == 2000 else soxr.resample(clean, 2000, to), atol=1e-4)
    bad = [stretch for block in blocks for stretch in block.bad]
    assert bad == pytest.approx(np.array([(0, 0.001), (1.5, 1.75), (3.9995, 4.0)]))
