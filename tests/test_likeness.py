"""Copies are found whatever was done to them, and what only resembles is left alone."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import lfilter, resample_poly

from whalelib import likeness, tables
from whalelib.errors import InputError
from whalelib.likeness import Anchors, candidates, correlation, fingerprint, near_equal, search

RATE = 2000


def song(seconds=4.0, seed=0):
    """Noise with three sweeps at random places."""
    rng = np.random.default_rng(seed)
    samples = 0.02 * rng.standard_normal(int(seconds * RATE))
    t = np.arange(1000) / RATE
    for _ in range(3):
        first = int(rng.uniform(0, len(samples) - 1000))
        begin, end = rng.uniform(80, 700, 2)
        samples[first : first + 1000] += 0.1 * np.hanning(1000) * np.sin(2 * np.pi * (begin + (end - begin) * t) * t)
    return samples


def as_set(folder, sounds, groups=None, rates=None, ending="wav"):
    """A recordings table of these sounds, each its own group unless groups are given."""
    rows = []
    for k, sound in enumerate(sounds):
        rate = rates[k] if rates else RATE
        path = folder / f"r{k}.{ending}"
        soundfile.write(path, sound, rate)
        group = groups[k] if groups else f"g{k}"
        rows.append((f"r{k}", str(path), pd.NaT, len(sound) / rate, rate, 1, group))
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)))


def pairs(recordings, **also):
    found = near_equal(recordings, progress=False, **also)
    return {tuple(sorted(pair)) for pair in found.names()}


# ---------------------------------------------------------------- files


@pytest.fixture
def files(tmp_path):
    """Seven recordings: r1 and r4 are one file, r2 is as long; r3 differs from r5 only in the middle of a long file;
    the file of r6 is missing."""
    rng = np.random.default_rng(0)
    short, long = rng.normal(0, 0.1, 500), rng.normal(0, 0.1, 200_000)
    changed = long.copy()
    changed[100_000] += 0.5
    recordings = as_set(tmp_path, (short[:400], short, short[::-1], long, short, changed, short))
    (tmp_path / "r6.wav").unlink()
    return recordings


def test_files_that_are_byte_for_byte_the_same_are_found(files):
    assert likeness.byte_equal(files) == [("r1", "r4")]


# ---------------------------------------------------------------- sound


def ogg(sound):
    file = io.BytesIO()
    soundfile.write(file, resample_poly(sound, 4, 1), 4 * RATE, format="OGG", subtype="VORBIS")
    file.seek(0)
    return resample_poly(soundfile.read(file)[0], 1, 4)


CHANGES = {
    "fainter": lambda sound: 0.2 * sound,
    "inverted": lambda sound: -sound,
    "later": lambda sound: sound[2237:],  # no whole number of frames
    "earlier": lambda sound: sound[:-3001],
    "noisier": lambda sound: sound + 0.1 * sound.std() * np.random.default_rng(1).standard_normal(len(sound)),
    "coarser": lambda sound: np.round(60 * sound) / 60,
    "overloaded": lambda sound: sound.clip(-0.05, 0.05),
    "compressed": ogg,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_whatever_was_done_to_it(tmp_path, change):
    sounds = [song(seed=k) for k in range(8)]
    recordings = as_set(tmp_path, [*sounds, *(CHANGES[change](sound) for sound in sounds)])
    assert pairs(recordings) == {tuple(sorted((f"r{k}", f"r{k + 8}"))) for k in range(8)}


def test_a_copy_of_another_rate_is_found(tmp_path):
    sounds = [song(seed=k) for k in range(4)]
    recordings = as_set(
        tmp_path, [*sounds, *(resample_poly(s, 6, 1) for s in sounds)], rates=[RATE] * 4 + [6 * RATE] * 4
    )
    assert pairs(recordings) == {(f"r{k}", f"r{k + 4}") for k in range(4)}


def test_calls_of_a_kind_and_a_common_hum_are_no_copies(tmp_path):
    """The very same call in other noise, over the very same hum."""
    call = song(seed=0) - song(seed=0).mean()
    hum = 0.1 * np.sin(2 * np.pi * 60 * np.arange(8000) / RATE)
    sounds = []
    for k in range(6):
        sound = 0.05 * np.random.default_rng(50 + k).standard_normal(8000) + hum
        sound[2000:3000] += call[2000:3000]
        sounds.append(sound)
    assert pairs(as_set(tmp_path, sounds)) == set()


def test_knocks_are_no_copies(tmp_path):
    """The loudest thing in a clip, brief and broad, is much the same in every clip that holds one."""
    sounds = []
    for k in range(6):
        sound = 0.01 * np.random.default_rng(k).standard_normal(4000)
        sound[1000 + 300 * k :][:200] += np.exp(-np.arange(200) / 30) * np.sin(0.4 * np.arange(200))
        sounds.append(sound)
    assert pairs(as_set(tmp_path, sounds)) == set()


def test_within_a_group_nothing_is_looked_for_and_joined_groups_are_one(tmp_path):
    one = song(seconds=6.0)
    sounds = [one, 0.5 * one, one[1000:], one[:-1500], song(6.0, seed=1)]
    found = near_equal(as_set(tmp_path, sounds, groups=["a", "a", "b", "c", "d"]), progress=False)
    assert len(found.pairs) == 2  # three groups are joined by two pairs
    assert {name for pair in found.names() for name in pair} <= {"r0", "r1", "r2", "r3"}


def test_a_moment_in_common_is_told_in_seconds_of_both(tmp_path):
    one = song(seconds=6.0)
    (pair,) = near_equal(as_set(tmp_path, [one, one[2000:]]), progress=False).pairs.itertuples()
    assert pair.at - pair.other_at == pytest.approx(1.0, abs=0.05) and pair.correlation > 0.9


def test_of_long_recordings_beginning_middle_and_end_are_heard(tmp_path):
    long = [song(30.0, seed=k) for k in range(3)]
    long[1][20000:30000] = long[0][20000:30000]  # the middle, from 10 to 15 s
    recordings = as_set(tmp_path, long)
    assert pairs(recordings, copy_seconds=9.0) == {("r0", "r1")}
    assert pairs(recordings) == {("r0", "r1")}
    heard = search.stretches(100.0, 9.0)
    assert heard == [(0.0, 3.0), (48.5, 3.0), (97.0, 3.0)]
    whole = search.stretches(100.0, 100.0)
    assert sum(length for _, length in whole) == pytest.approx(100.0)
    assert max(length for _, length in whole) <= search.PIECE_SECONDS


def test_silence_is_alike_to_none(tmp_path):
    assert pairs(as_set(tmp_path, [np.zeros(4000), np.zeros(4000), np.ones(4000) / 2, np.zeros(900)])) == set()


@pytest.mark.parametrize("seconds", [0.26, 0.4, 0.7])
def test_copies_of_short_sounds_are_found_and_other_short_noises_are_not(tmp_path, seconds):
    """Some of the noises are low, as much sound in the sea is; of each kind all have the same level and length."""
    sounds = [0.1 * np.random.default_rng(k).standard_normal(int(seconds * RATE)) for k in range(12)]
    sounds = [lfilter([0.4], [1, -0.9], sound) if k % 2 else sound for k, sound in enumerate(sounds)]
    recordings = as_set(tmp_path, [*sounds, *(-0.3 * sound for sound in sounds[:4])])
    found = near_equal(recordings, progress=False)
    assert set(map(frozenset, found.names())) == {frozenset((f"r{k}", f"r{k + 12}")) for k in range(4)}
    assert found.notes == []


def test_recordings_too_short_to_compare_are_counted(tmp_path):
    found = near_equal(as_set(tmp_path, [song(seed=3)[:400], song(seed=3)[:400], song()]), progress=False)
    assert found.names() == []
    assert found.notes == ["recordings too short to be compared by their sound (below 0.256 s): 2."]


def test_what_cannot_be_read_is_named_and_the_rest_compared(tmp_path):
    recordings = as_set(tmp_path, [song(), song(seed=1), song()])
    (tmp_path / "r1.wav").write_bytes(b"no sound")
    found = near_equal(recordings, progress=False)
    assert found.names() == [("r0", "r2")]
    assert len(found.notes) == 1 and "r1.wav" in found.notes[0]


def test_the_channel_that_is_named_is_heard(tmp_path):
    recordings = as_set(tmp_path, [np.column_stack([song(seed=k), song(seed=9)]) for k in range(2)])
    recordings = recordings.assign(channels=2, seconds=4.0)
    assert pairs(recordings) == set()
    assert pairs(recordings.assign(listen_channel=2)) == {("r0", "r1")}


def test_what_was_found_is_kept_until_a_file_changes(tmp_path, monkeypatch):
    recordings = as_set(tmp_path, [song(), song()])
    first = near_equal(recordings, folder=tmp_path / "kept", progress=False)
    heard = []
    monkeypatch.setattr(search.audio, "read", lambda path, *_: heard.append(path) or np.zeros(8000, np.float32))
    again = near_equal(recordings, folder=tmp_path / "kept", progress=False)
    pd.testing.assert_frame_equal(again.pairs, first.pairs)
    assert again.notes == first.notes and not heard
    soundfile.write(tmp_path / "r1.wav", song(seed=5)[:-1], RATE)
    assert near_equal(recordings, folder=tmp_path / "kept", progress=False).names() == [] and heard
    assert not list((tmp_path / "kept").glob("*.part"))


# ---------------------------------------------------------------- the parts


def test_all_candidates_are_those_of_the_plain_product(monkeypatch):
    monkeypatch.setattr("whalelib.likeness.pairing._BLOCK", 7)
    anchors = Anchors.join(
        [fingerprint(song(seed=k % 20).astype(np.float32), RATE, 0.0, 1000.0, 3).of(k) for k in range(40)]
    )
    group = np.arange(40) % 3
    table, total = candidates(anchors, group)
    cosine = anchors.vectors @ anchors.vectors.T
    number = anchors.number
    wanted = {
        tuple(sorted((number[i], number[j])))
        for i, j in np.argwhere(cosine > 0.87)
        if group[number[i]] != group[number[j]]
    }
    assert {(k, k + 20) for k in range(20)} <= wanted
    assert set(zip(table["a"], table["b"], strict=True)) == wanted
    assert total == len(wanted)


def test_a_sound_is_itself_at_any_lag_and_no_other():
    one, other = song(seed=3), song(seed=4)
    assert correlation(one, one, RATE) == pytest.approx(1.0)
    assert correlation(one, -0.1 * one, RATE) == pytest.approx(1.0)
    assert correlation(one[1000:], one[:-1000], RATE) > 0.75
    assert correlation(one, other, RATE) < 0.3
    assert correlation(one, np.zeros(8000), RATE) == 0.0
    assert correlation(one, one[:0], RATE) == 0.0


def test_a_set_too_large_to_compare_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "MOST_ANCHORS", 2)
    found = near_equal(as_set(tmp_path, [song(seed=k) for k in range(8)]), progress=False)
    assert any("every 2." in note for note in found.notes)


def test_a_server_error_is_no_copy(tmp_path):
    recordings = as_set(tmp_path, [song(), song()])
    with pytest.raises(InputError):
        near_equal(recordings.assign(path="nosuch://x/y.wav"), folder=tmp_path, progress=False)
