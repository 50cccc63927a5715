"""Transcripts: their words, their windows, the features, what is learnt from them, and how that is judged."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jiwer
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerCallback, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from whalelib import synth, tables, transcribe
from whalelib.errors import InputError
from whalelib.transcribe import Call, Hearing, Vocabulary
from whalelib.transcribe.model import Grammar
from whalelib.transcribe.training import Sentences

LABELS = ("unit_a", "unit_b", "unit_c")
pytestmark = pytest.mark.usefixtures("one_thread")


# Words


def times():
    return st.floats(0, 12).map(lambda x: round(x / 0.08) * 0.08)


@given(st.lists(st.tuples(times(), times(), st.sampled_from(LABELS)), max_size=12))
def test_calls_are_said_and_read_back(rows):
    words = Vocabulary.small(LABELS, 12.0, 0.08)
    calls = sorted(Call(min(a, b), max(a, b), label) for a, b, label in rows if a != b)
    back = words.decode(words.encode(reversed(calls)))
    assert [c.label for c in back] == [c.label for c in calls]
    np.testing.assert_allclose(
        np.array([c[:2] for c in back]).reshape(-1, 2), np.array([c[:2] for c in calls]).reshape(-1, 2), atol=1e-9
    )


@given(
    st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12), st.sampled_from(LABELS)), max_size=12),
    st.sampled_from([0.08, 0.3, 0.5, 0.7]),
)
def test_calls_of_any_length_read_back_to_within_half_a_step(rows, step):
    """One that is shorter than a step, or begins in the window's last moment, is told all the same."""
    words = Vocabulary.small(LABELS, 12.0, step)
    calls = [Call(min(a, b), max(a, b), label) for a, b, label in rows if a != b]
    assert words.reads_back(calls, words.encode(calls))
    off = [call._replace(onset=call.onset + 3.1 * step, offset=call.offset + 3.1 * step) for call in calls]
    inside = bool(calls) and max(call.offset for call in off) < 12.0 - step
    assert not (inside and words.reads_back(off, words.encode(calls)))
    assert not (calls and words.reads_back(calls[1:], words.encode(calls)))


def test_calls_that_overlap_are_no_exception():
    words = Vocabulary.small(LABELS, 12.0, 0.1)
    calls = [Call(1.0, 5.0, "unit_a"), Call(1.0, 9.0, "unit_b"), Call(2.0, 3.0, "unit_a")]
    assert words.units(words.encode(calls)) == ["unit_a", "unit_b", "unit_a"]


@given(st.lists(st.integers(-100, 400), max_size=40))
def test_any_tokens_can_be_read(tokens):
    words = Vocabulary.small(LABELS, 12.0, 0.08)
    for call in words.decode(tokens):
        assert 0 <= call.onset < call.offset <= 12.0
        assert call.label in LABELS


def test_a_label_that_no_token_stands_for_is_refused_and_can_be_added():
    words = Vocabulary.small(LABELS, 12.0, 0.08)
    with pytest.raises(InputError, match="no token stands for the label 'unit_x'"):
        words.encode([Call(0, 1, "unit_x")])
    more = words.extended(["unit_x", "unit_a"])
    assert more.labels == (*LABELS, "unit_x")
    said = words.encode([Call(0.8, 1.6, "unit_b")])
    assert more.decode(said) == words.decode(said)
    assert Vocabulary.of(json.loads(json.dumps(more.about()))) == more


# What is heard


def test_the_picture_is_that_of_whispers_own_extractor():
    hearing, rng = Hearing(30.0, 1.0, 80), np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 16000 * 30).astype(np.float32)
    expected = WhisperFeatureExtractor(feature_size=80)(sound, sampling_rate=16000, return_tensors="np")
    np.testing.assert_allclose(hearing.pictures(sound[None]), expected["input_features"], atol=2e-5)


def test_a_window_longer_than_whisper_hears_is_refused_and_speed_makes_it_longer():
    with pytest.raises(InputError, match="longer than the 30 s"):
        Hearing(31.0)
    assert Hearing(31.0, 4.0).sample_rate == 4000
    with pytest.raises(InputError, match="no whole rate"):
        Hearing(3.0, 3.0)


# Windows and their joining


def song(rng, seconds):
    """Calls of two labels, few of them longer than a window, never touching one of their own label."""
    rows = []
    for label in LABELS[:2]:
        at = rng.uniform(0, 3)
        while True:
            length = rng.uniform(3, 30) if rng.random() < 0.1 else rng.uniform(0.3, 2.5)
            if at + length > seconds:
                break
            rows.append((at, at + length, label))
            at += length + rng.uniform(0.3, 4)
    return pd.DataFrame(rows, columns=["onset", "offset", "label"])


def joined(windows, window, hop, seconds, step=0.08):
    joining, found = transcribe.Joining(window, hop, step, seconds), []
    for calls in windows:
        found += [call for call, _ in joining.add(calls)]
    return sorted(found)


@pytest.mark.parametrize("seed", range(40))
def test_joined_windows_tell_each_call_once_at_its_place(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        window = rng.choice([8.0, 10.0, 12.0])
        hop, seconds = window * rng.choice([0.5, 0.6, 0.75]), rng.uniform(3, 80)
        events = song(rng, seconds)
        windows = [transcribe.calls_in(events, at, window) for at in transcribe.onsets(seconds, window, hop)]
        expected = sorted(Call(*row) for row in events.itertuples(index=False))
        found = joined(windows, window, hop, seconds)
        assert [c.label for c in found] == [c.label for c in expected]
        np.testing.assert_allclose([c[:2] for c in found], [c[:2] for c in expected], atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_windows_that_differ_by_a_moment_lose_no_call_and_double_none(seed):
    rng, step, window, hop = np.random.default_rng(seed), 0.08, 12.0, 9.0
    events = song(rng, 300.0)
    events = events[events["offset"] - events["onset"] < 2.5]

    def told(at):
        for call in transcribe.calls_in(events, at, window):
            ends = [round(t / step + rng.uniform(-0.6, 0.6)) * step for t in call[:2]]
            yield Call(max(ends[0], 0.0), min(ends[1], window), call.label)

    windows = [list(told(at)) for at in transcribe.onsets(300.0, window, hop)]
    found = joined(windows, window, hop, 300.0)
    for label in LABELS[:2]:
        onsets = np.array([c.onset for c in found if c.label == label])
        expected = events.loc[events["label"] == label, "onset"].to_numpy()
        assert len(onsets) == len(expected)
        assert np.abs(onsets - expected).max() < 0.16


def test_a_call_that_one_window_alone_tells_counts_in_its_own_part_only():
    call = Call(9.0, 9.5, "unit_a")  # windows of 10 s each 6 s share 6 to 10 s; the first one's part ends at 8 s
    assert joined([[call], []], 10.0, 6.0, 16.0) == []
    assert joined([[], [Call(3.0, 3.5, "unit_a")]], 10.0, 6.0, 16.0) == [call]


def test_two_windows_that_differ_by_a_little_tell_one_call():
    (found,) = joined([[Call(8.0, 9.0, "unit_a")], [Call(2.2, 3.1, "unit_a")]], 10.0, 6.0, 16.0)
    assert found == Call(8.2, 9.1, "unit_a")  # it lies nearer to the second window's middle


# Scores


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_edits_are_those_of_jiwer(truth, told):
    ours = transcribe.edits(truth, told)
    theirs = jiwer.process_words(" ".join(truth), " ".join(told))
    assert ours.wrong + ours.missed + ours.extra == theirs.substitutions + theirs.deletions + theirs.insertions
    assert ours.rate == pytest.approx(theirs.wer)


def test_a_hedged_unit_may_be_told_or_not():
    hedged = [False, True, False]
    assert transcribe.edits("abc", "abc", hedged).rate == 0
    assert transcribe.edits("abc", "ac", hedged).rate == 0
    assert transcribe.edits("abc", "axc", hedged).rate == 0.5
    assert np.isnan(transcribe.edits("", "").rate)


def test_the_report_counts_recordings_and_knows_by_how_much_onsets_are_off():
    recordings = pd.DataFrame({"recording": list("xy"), "group": ["mon", "tue"]})
    truth = tables.events(
        [{"recording": r, "onset": o, "offset": o + 1, "label": k} for r in "xy" for o, k in [(1.0, "a"), (5.0, "b")]]
    )
    told = truth.assign(onset=truth["onset"] + 0.1)
    told.loc[3, "label"] = "a"
    report = transcribe.unit_report(truth, told, recordings).iloc[0]
    assert (report["wrong"], report["missed"], report["extra"], report["units"]) == (1, 0, 0, 4)
    assert report["unit_error_rate"] == 0.25
    assert (report["unit_error_rate_low"], report["unit_error_rate_high"]) == (0.0, 0.5)
    np.testing.assert_allclose(transcribe.onset_errors(truth, told)["late"], 0.1)


def test_calls_are_told_apart_by_their_times_alone():
    rows = [(0.0, "a"), (2.0, "a"), (4.0, "b"), (6.0, "b")]
    truth = tables.events([{"recording": "x", "onset": o, "offset": o + 1, "label": k} for o, k in rows])
    told = truth.iloc[:3].assign(label=["a", "b", "b"])
    told = pd.concat([told, truth.iloc[3:].assign(onset=8.0, offset=9.0, label="c")])
    table = transcribe.taken_for(truth, told)
    assert table.loc["a"].to_dict() == {"a": 1, "b": 1, "c": 0, "missed": 0}
    assert table.loc["b"].to_dict() == {"a": 0, "b": 1, "c": 0, "missed": 1}
    assert table.loc["made up"].to_dict() == {"a": 0, "b": 0, "c": 1, "missed": 0}
    assert table.loc["a":"c"].to_numpy().sum() == len(truth)


# The model and its grammar


def small(labels=LABELS, window=6.0, width=32, layers=1, seed=0):
    return transcribe.fresh(labels, Hearing(window, 4.0, 16), width=width, layers=layers, seed=seed)


def pictures(transcriber, many, seed=0):
    shape = (many, transcriber.hearing.bands, transcriber.hearing.frames)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("beams", [1, 3])
def test_even_one_that_knows_nothing_says_well_formed_sentences(beams):
    transcriber = small()
    told = transcriber.model.generate(torch.from_numpy(pictures(transcriber, 4)), num_beams=beams)
    words = transcriber.words
    for line in told[:, len(words.start) :].tolist():
        said = line[: line.index(words.end)] if words.end in line else line[: len(line) // 3 * 3]
        calls = words.decode(said)
        assert 3 * len(calls) == len(said)
        assert calls == sorted(calls, key=lambda c: c.onset)


def test_the_grammar_bars_what_cannot_follow():
    words = Vocabulary.small(LABELS, 1.0, 0.5)  # end 0, start 1, moments 2 to 4, labels 5 to 7
    grammar = Grammar(words, 1)

    def allowed(*said):
        scores = grammar(torch.tensor([[1, *said]]), torch.zeros(1, words.size))
        return torch.isfinite(scores[0]).nonzero().flatten().tolist()

    assert allowed() == [0, 2, 3]
    assert allowed(3) == [5, 6, 7]
    assert allowed(3, 5) == [4]
    assert allowed(3, 5, 4) == [0, 3]
    assert allowed(3, 5, 4, 0) == [0]


def test_a_row_alone_tells_what_it_tells_in_a_batch_and_a_saved_one_the_same(tmp_path):
    transcriber = small()
    seen = pictures(transcriber, 3)
    together = transcriber.heard(seen)
    assert [c for c, _ in together] == [transcriber.heard(seen[k : k + 1])[0][0] for k in range(3)]
    again = transcribe.load(transcriber.save(tmp_path / "saved"))
    assert again.hearing == transcriber.hearing
    assert [c for c, _ in again.heard(seen)] == [c for c, _ in together]
    assert all(0 <= score <= 1 for _, scores in together for score in scores)
    with pytest.raises(InputError, match="holds no transcriber"):
        transcribe.load(tmp_path)


def published(folder, tokens=60):
    """Tiny random weights in the form in which Whisper's are published: config, safetensors, generation config."""
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokens + 1501,
            num_mel_bins=80,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            decoder_start_token_id=51,
            eos_token_id=50,
            pad_token_id=50,
            bos_token_id=50,
        )
    )
    model.generation_config.no_timestamps_token_id = tokens - 1
    model.save_pretrained(folder)
    return model


def test_published_weights_load_from_a_folder_and_learn_new_words(tmp_path):
    own = published(tmp_path / "whisper")
    transcriber = transcribe.published(str(tmp_path / "whisper"), LABELS, window_seconds=8.0, speed=4.0)
    words = transcriber.words
    assert (words.step_seconds, words.first_moment, words.first_label) == (0.08, 60, 1561)
    assert transcriber.model.get_input_embeddings().num_embeddings == 1561 + len(LABELS)
    features = torch.from_numpy(pictures(transcriber, 1))
    hidden = transcriber.model.model.encoder.eval()(features).last_hidden_state
    # The encoder is the published one, which hears the rest of its thirty seconds as well.
    encoder = own.model.encoder.eval()
    x = torch.nn.functional.gelu(encoder.conv2(torch.nn.functional.gelu(encoder.conv1(features)))).permute(0, 2, 1)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    for layer in encoder.layers:
        x = layer(x, None)
    torch.testing.assert_close(hidden, encoder.layer_norm(x))
    more = transcribe.extend(transcriber, ["unit_x"])
    assert more.model.get_input_embeddings().num_embeddings == 1561 + len(LABELS) + 1
    again = transcribe.load(transcriber.save(tmp_path / "saved"))
    assert again.words == more.words or again.words == words
    torch.testing.assert_close(again.model.model.encoder.eval()(features).last_hidden_state, hidden)
    with pytest.raises(InputError, match="no Whisper weights could be loaded"):
        transcribe.published(str(tmp_path / "nowhere"), LABELS, 8.0)


def test_lora_learns_little_and_merged_says_the_same(tmp_path):
    published(tmp_path / "whisper")
    plain = transcribe.published(str(tmp_path / "whisper"), LABELS, 8.0, 4.0)
    adapted = transcribe.with_lora(plain, 2)
    learning = {n: p.numel() for n, p in adapted.model.named_parameters() if p.requires_grad}
    assert sum(learning.values()) == 9 * 2 * (32 + 32) + len(LABELS) * 32  # three attentions; the new tokens
    batch = {"input_features": torch.from_numpy(pictures(plain, 2)), "labels": torch.tensor([[60, 1561, 62, 50]] * 2)}
    optimizer = torch.optim.SGD([p for p in adapted.model.parameters() if p.requires_grad], 0.5)
    adapted.model(**batch).loss.backward()
    optimizer.step()
    adapted.model.eval()
    before = adapted.model(**batch).logits
    whole = transcribe.merged(adapted)
    torch.testing.assert_close(whole.model.eval()(**batch).logits, before, atol=1e-4, rtol=1e-4)
    again = transcribe.load(whole.save(tmp_path / "merged"))
    torch.testing.assert_close(again.model.eval()(**batch).logits, before, atol=1e-4, rtol=1e-4)


# From recordings to a transcriber


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """A few days of song."""
    folder = tmp_path_factory.mktemp("song") / "ocean"
    return synth.ocean(folder, ocean_days=4, ocean_sites=1, ocean_minutes=0.5, ocean_song=True)


def windows_of(season, transcriber, hop=3.0):
    recordings, events = season
    folds, rows = ["train", "train", "validation", "test"], []
    for rec, fold in zip(recordings.itertuples(), folds, strict=True):
        here = events[events["recording"] == rec.recording]
        for at in transcribe.onsets(rec.seconds, 6.0, hop):
            tokens = transcriber.words.encode(transcribe.calls_in(here, at, 6.0))
            rows.append((rec.recording, rec.path, at, 6.0, 1, fold, rec.group, tokens))
    names = ["recording", "path", "onset", "seconds", "channel", "fold", "group", "tokens"]
    return pd.DataFrame(rows, columns=names)


UNITS = synth.UNITS


@pytest.fixture(scope="module")
def store(season, tmp_path_factory):
    transcriber = small(UNITS)
    rows = windows_of(season, transcriber)
    folder = tmp_path_factory.mktemp("features") / "store"
    return transcribe.build(folder, rows, transcriber.hearing, transcriber.words, season, progress=False)


def test_a_repertoire_is_that_of_its_season(season):
    _, events = season
    assert set(events["label"]) <= set(UNITS)
    assert events["label"].nunique() >= 5
    lengths = (events["offset"] - events["onset"]).groupby(events["label"]).agg(["min", "max"])
    assert (lengths["max"] / lengths["min"] < 1.5).all()  # one unit's singings differ by a little only


def test_features_hold_the_windows_and_their_sentences(season, store):
    assert store.about["windows"] == {"train": 18, "validation": 9, "test": 9}
    row = store.folds["train"][4]
    rec = season[0].iloc[0]
    sound = store.hearing.sound(rec["path"], 12.0)
    np.testing.assert_array_equal(
        row["input_features"].reshape(store.hearing.bands, -1), store.hearing.pictures(sound[None])[0]
    )
    events = season[1][season[1]["recording"] == rec["recording"]]
    expected = [call.label for call in transcribe.calls_in(events, 12.0, 6.0)]
    assert store.words.units(row["labels"]) == expected


def test_a_build_that_was_killed_goes_on_and_a_broken_recording_costs_itself(season, store, tmp_path, monkeypatch):
    from whalelib.transcribe import store as room

    transcriber = small(UNITS)
    rows = windows_of(season, transcriber)
    written = room._write_shard
    monkeypatch.setattr(room, "_write_shard", lambda path, *a: written(path, *a) if "train" in path.name else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        transcribe.build(tmp_path / "again", rows, store.hearing, store.words, season, workers=1, progress=False)
    done = []
    monkeypatch.setattr(room, "_write_shard", lambda path, *a: (done.append(path.name), written(path, *a))[1])
    again = transcribe.build(tmp_path / "again", rows, store.hearing, store.words, season, progress=False)
    assert sorted(done) == ["test-00000.arrow", "validation-00000.arrow"]
    assert [f["sha256"] for fold in again.about["shards"].values() for f in fold] == [
        f["sha256"] for fold in store.about["shards"].values() for f in fold
    ]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    rows.loc[rows["fold"] == "test", "path"] = str(bad)
    broken = transcribe.build(tmp_path / "broken", rows, store.hearing, store.words, season, progress=False)
    assert broken.about["windows"]["test"] == 0
    assert "bad.wav" in broken.problems[0]
    with pytest.raises(InputError, match="other windows or knobs"):
        transcribe.build(tmp_path / "again", rows, store.hearing, store.words, season, progress=False)


def test_a_session_without_the_feature_store_is_told_how_to_build_it(tmp_path, store):
    with pytest.raises(InputError, match=r"holds no feature store.*build it where the recordings are.*store fetch"):
        transcribe.open_transcripts(tmp_path / "nothing")
    there = f"file://{tmp_path}/bucket/features"
    transcribe.upload(store.folder, there, progress=False)
    fetched = transcribe.fetch(there, tmp_path / "fetched", progress=False)
    assert fetched.about == store.about
    (tmp_path / "fetched" / "train-00000.arrow").write_bytes(b"half")
    with pytest.raises(InputError, match="is not whole"):
        transcribe.open_transcripts(tmp_path / "fetched")


def teach(store, folder, seed=0, lora=0, **knobs):
    transcriber = small(UNITS)
    if lora:
        transcriber = transcribe.with_lora(transcriber, lora)
    knobs = {"epochs": 2, "batch_size": 6, "save_every": 2, "seed": seed, **knobs}
    return transcribe.teach(transcriber, store, folder, progress=False, **knobs)


def weights(fitted):
    return torch.cat([p.flatten() for p in fitted.transcriber.model.state_dict().values()])


def train_and_die(store_folder, folder, **knobs):
    """What the killed process runs: it dies in the fifth of its six steps."""
    from transformers import Seq2SeqTrainer

    torch.set_num_threads(1)
    step = Seq2SeqTrainer.training_step

    def stepped(self, *args, **kwargs):
        if self.state.global_step == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *args, **kwargs)

    Seq2SeqTrainer.training_step = stepped
    teach(transcribe.open_transcripts(store_folder), folder, **knobs)


def killed(store, folder, **knobs):
    """A training of which a process died."""
    given = ", ".join(f"{name}={value!r}" for name, value in knobs.items())
    code = f"import test_transcribe as t; t.train_and_die({str(store.folder)!r}, {str(folder)!r}, {given})"
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    child = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_training_ends_where_an_unbroken_one_does_here_and_on_another_machine(store, tmp_path):
    unbroken, drive = teach(store, tmp_path / "unbroken"), tmp_path / "drive"
    killed(store, tmp_path / "here" / "fit", keep_at=str(drive))
    assert (drive / "fit" / "checkpoint-4.json").exists()
    for place, knobs in (("here", {}), ("there", {"keep_at": str(drive)})):
        steps = Steps()
        resumed = teach(store, tmp_path / place / "fit", callbacks=[steps], **knobs)
        assert steps.seen == [4, 5]
        torch.testing.assert_close(weights(resumed), weights(unbroken), rtol=0, atol=0)
        pd.testing.assert_frame_equal(resumed.history, unbroken.history)
        assert not (tmp_path / place / "fit" / "checkpoints").exists()
    # A third machine need not train at all.
    again = teach(store, tmp_path / "third" / "fit", keep_at=str(drive), callbacks=[Stop()])
    torch.testing.assert_close(weights(again), weights(unbroken), rtol=0, atol=0)
    assert sorted(path.name for path in (drive / "fit").iterdir()) == ["finished", "finished.json"]


class Steps(TrainerCallback):
    """Remembers which steps were taken."""

    def __init__(self):
        self.seen = []

    def on_step_begin(self, args, state, control, **_):
        self.seen.append(state.global_step)


class Stop(TrainerCallback):
    """Breaks the training off in its fifth step."""

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == 4:
            raise KeyboardInterrupt


def test_lora_that_was_interrupted_ends_where_an_unbroken_one_does(store, tmp_path):
    unbroken = teach(store, tmp_path / "unbroken", lora=2)
    with pytest.raises(KeyboardInterrupt):
        teach(store, tmp_path / "fit", lora=2, callbacks=[Stop()])
    resumed = teach(store, tmp_path / "fit", lora=2)
    torch.testing.assert_close(weights(resumed), weights(unbroken), rtol=0, atol=0)


def test_eight_windows_are_learnt_by_heart(store):
    transcriber = small(UNITS, width=64)
    rows = [Sentences(store, "train")[k] for k in range(8)]
    batch = transcribe.training.collate(rows)
    model = transcriber.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    told = transcriber.heard(batch["input_features"].numpy())
    for row, (calls, _) in zip(rows, told, strict=True):
        assert [c.label for c in calls] == store.words.units(row["labels"])


def test_recordings_are_told_with_a_receipt(season, store, tmp_path):
    recordings = season[0].iloc[:2].copy()
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    recordings.loc[1, "path"] = str(broken)
    transcriber = small(UNITS)
    events, receipt = transcribe.transcribe(transcriber, recordings, batch=2, progress=False)
    tables.check_events(events, season[0])
    assert list(receipt["status"]) == ["done", "failed"]
    assert "broken.wav" in receipt["reason"][1]
    same, _ = transcribe.transcribe(transcriber, recordings, batch=64, progress=False)
    pd.testing.assert_frame_equal(same, events, rtol=1e-4)
    with pytest.raises(InputError, match="no recording to transcribe"):
        transcribe.transcribe(transcriber, recordings[:0])
    with pytest.raises(InputError, match="cannot share"):
        transcribe.transcribe(transcriber, recordings, overlap_seconds=6.0)


# Speech


SPOKEN = ["the whale sings", "a ship goes by", "the whale is silent"]


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Sentences in Common Voice's layout, and tiny weights with a tokenizer of their own."""
    import soundfile
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizerFast

    folder = tmp_path_factory.mktemp("speech")
    (folder / "data" / "clips").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for fold in ("train", "dev"):
        lines = ["client_id\tpath\tsentence"]
        for k, sentence in enumerate([*SPOKEN, ""]):
            name = f"{fold}{k}.wav"
            soundfile.write(folder / "data" / "clips" / name, rng.normal(0, 0.1, 16000), 16000)
            lines.append(f"speaker{k}\t{name}\t{sentence}")
        (folder / "data" / f"{fold}.tsv").write_text("\n".join(lines))
    names = ("endoftext", "startoftranscript", "en", "transcribe", "translate", "notimestamps")
    special = [f"<|{name}|>" for name in names]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    raw.train_from_iterator(SPOKEN, trainer)
    tokenizer = WhisperTokenizerFast(tokenizer_object=raw, language="english", task="transcribe")
    tokenizer.save_pretrained(folder / "whisper")
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=310,
            num_mel_bins=16,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_source_positions=100,
            max_target_positions=32,
            decoder_start_token_id=1,
            eos_token_id=0,
            pad_token_id=0,
            bos_token_id=0,
        )
    )
    model.save_pretrained(folder / "whisper")
    return folder


def test_speech_is_learnt_by_the_same_two_steps(voices, tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = resolve(
        {"speech_path": str(voices / "data"), "whisper": str(voices / "whisper"), "epochs": 1, "batch_size": 2}
    )
    store = stages.transcripts(knobs)
    assert store.about["windows"] == {"train": 3, "validation": 3, "test": 0}
    assert sum("has no sentence" in problem for problem in store.problems) == 2
    assert [" ".join(store.words.units(labels)) for labels in store.table("train")["labels"]] == SPOKEN
    fitted = stages.teach(knobs, store, progress=False)
    report = stages.sentences(knobs, store, fitted)
    assert list(report["sentence"]) == SPOKEN
    expected = jiwer.process_words(list(report["sentence"]), list(report["told"]))
    assert report[["wrong", "missed", "extra"]].sum().sum() / report["units"].sum() == pytest.approx(expected.wer)
    with pytest.raises(InputError, match=r"lacks the column|has no train"):
        transcribe.common_voice(tmp_path)


def test_labels_that_no_token_stands_for_are_in_no_transcript_and_named(tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = resolve({**FEATURES, "classes": ["unit_a", "unit_b"]})
    parts = stages.split(knobs)
    store = stages.transcripts(knobs, parts)
    assert store.words.labels == ("unit_a", "unit_b")
    others = parts.survey.events["label"].value_counts().drop(["unit_a", "unit_b"])
    said = [sentence for sentence in store.problems if "no token stands for them" in sentence]
    assert len(said) == len(others) and f"{others['unit_c']} calls of unit_c are not written down" in said[0]


def test_activations_computed_again_and_half_precision_learn_the_same(store, tmp_path):
    plain = teach(store, tmp_path / "plain", epochs=1)
    again = teach(store, tmp_path / "again", epochs=1, recompute=True)
    torch.testing.assert_close(weights(again), weights(plain), rtol=0, atol=1e-6)
    half = teach(store, tmp_path / "half", epochs=1, precision="bf16")
    assert not torch.equal(weights(half), weights(plain))
    torch.testing.assert_close(weights(half), weights(plain), rtol=0, atol=0.02)


def test_by_knobs_a_transcript_needs_every_call_annotated(season, tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    folder = Path(season[0]["path"][0]).parents[1]
    knobs = resolve({"source": "noaa_log", "data_path": str(folder), "label_column": "Species"})
    with pytest.raises(InputError, match="a transcript tells every call"):
        stages.transcripts(knobs)


OCEAN = {"ocean_song": True, "ocean_days": 5, "ocean_sites": 1, "ocean_minutes": 0.5}
LEARNING = {"epochs": 1, "transcriber_width": 32, "transcriber_layers": 1}
FEATURES = {**OCEAN, "speed": 4.0, "transcript_seconds": 6.0, "transcript_bands": 16}


def test_the_whole_way_by_knobs(tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve
    from whalelib.experiment import record

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = resolve({**FEATURES, **LEARNING})
    parts = stages.split(knobs)
    store = stages.transcripts(knobs, parts)
    fitted = stages.teach(knobs, store, progress=False)
    told, receipt = stages.transcribed(knobs, parts, fitted, "test")
    assert (receipt["status"] == "done").all()
    table = stages.side_by_side(knobs, parts, told)
    assert list(table.index) == ["transcriber"]
    assert table.loc["transcriber", "units"] == (parts.events("test")["truth"] == "present").sum()
    # And passed on, with a card of what its run has measured.
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(knobs.flat()))
    record(run, "transcribe", knobs, **{f"test_{name}": value for name, value in table.loc["transcriber"].items()})
    assert "card are in" in whalelib("publish", run, "--licence", "mit")
    text = (run / "published" / "README.md").read_text()
    assert f"| {table.loc['transcriber', 'unit_error_rate']:.3g} |" in text and "| test | 1 |" in text
    assert transcribe.load(run / "published").words == store.words


def whalelib(*words, status=0):
    from typer.testing import CliRunner

    from whalelib.cli import app

    shown = CliRunner().invoke(app, [str(word) for word in words])
    assert shown.exit_code == status, shown.output
    return shown.stdout


def test_features_are_made_where_the_recordings_are_and_learnt_from_where_they_are_not(tmp_path, monkeypatch):
    """Built, uploaded, fetched and opened by a knob, as clip stores are; the training is that of the recordings."""
    from whalelib import stages
    from whalelib.config import resolve

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "here"))
    given = [f"{name}={value}" for name, value in FEATURES.items()]
    assert "windows of 6 s as features" in whalelib("store", "build", "--transcripts", *given)
    (built,) = (tmp_path / "here").glob("transcripts-*")
    whalelib("store", "upload", built, f"file://{tmp_path}/bucket/features")
    by_recordings = stages.teach(k := resolve({**FEATURES, **LEARNING}), stages.transcripts(k), progress=False)

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "there"))
    carried = tmp_path / "carried"
    assert "labels: unit_" in whalelib("store", "fetch", f"file://{tmp_path}/bucket/features", carried)
    whalelib("store", "check", carried)
    knobs = resolve({**LEARNING, "store_path": str(carried)})
    assert (knobs.speed, knobs.transcript_bands, knobs.ocean_days) == (4.0, 16, 5)
    with pytest.raises(InputError, match=r"speed is 2, but the transcripts in .* were written with 4.0"):
        resolve({"store_path": str(carried), "speed": 2})
    with pytest.raises(InputError, match="holds no finished training"):
        stages.taught(knobs)
    store = stages.transcripts(knobs)
    fitted = stages.teach(knobs, store, progress=False)
    torch.testing.assert_close(weights(fitted), weights(by_recordings), rtol=0, atol=0)
    assert not list((tmp_path / "there").glob("ocean-*"))
    told = stages.sentences(knobs, store, fitted, "test")
    assert told["units"].sum() == store.table("test")["labels"].map(lambda tokens: len(store.words.units(tokens))).sum()


def test_without_recordings_and_features_a_session_is_told_what_to_do(tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = resolve({"source": "raven", "data_path": str(tmp_path / "nothing")})
    with pytest.raises(InputError, match=r"no feature store here.*store build --transcripts.*store fetch.*store_path"):
        stages.transcripts(knobs)
    with pytest.raises(InputError, match=r"holds no finished store.*store fetch"):
        resolve({"store_path": str(tmp_path)})


def test_features_need_no_model_and_a_training_builds_one(tmp_path, monkeypatch):
    from whalelib import stages
    from whalelib.config import resolve
    from whalelib.transcribe.model import CallWhisper

    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    published(tmp_path / "whisper")
    built = []
    begin = CallWhisper.__init__
    monkeypatch.setattr(CallWhisper, "__init__", lambda self, *a, **k: (built.append(1), begin(self, *a, **k))[1])
    for more in ({}, {"whisper": str(tmp_path / "whisper"), "transcript_bands": 80}):
        knobs = resolve({**FEATURES, **LEARNING, **more})
        store = stages.transcripts(knobs)
        assert not built
        begun = stages.beginning(knobs, store)
        assert built == [1] and begun.words == store.words and begun.hearing == store.hearing
        built.clear()


def test_a_result_is_stale_when_the_detector_beside_it_would_be_another():
    from whalelib.config import resolve
    from whalelib.experiment import stage_signature

    def signed(stage, **values):
        return stage_signature(resolve(values), stage)

    for other in ({"width": 8}, {"n_mels": 32}, {"threshold": 0.5}, {"match_by": "collar"}, {"collar_seconds": 0.1}):
        assert signed("transcribe", **other) != signed("transcribe")
        assert signed("transcripts", **other) == signed("transcripts")
    assert signed("transcribe", beams=2) != signed("transcribe")


def test_the_command_writes_tables_and_a_receipt(season, tmp_path):
    from typer.testing import CliRunner

    from whalelib.cli import app

    small(UNITS).save(tmp_path / "model")
    folder = tmp_path / "tapes"
    folder.mkdir()
    for path in season[0]["path"][:2]:
        shutil.copy(path, folder)
    (folder / "broken.wav").write_bytes(b"no sound")
    command = ["transcribe", str(tmp_path / "model"), str(folder), "--out", str(tmp_path / "told"), "--json"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    said = json.loads(shown.stdout)
    assert (said["recordings"], said["transcribed"]) == (3, 2)
    receipt = pd.read_csv(tmp_path / "told" / "receipt.csv", index_col="recording")
    assert receipt.loc["broken", "status"] == "failed"
    assert len(pd.read_csv(tmp_path / "told" / "detections.csv")) == sum(said["calls"].values()) > 0
    assert len(list((tmp_path / "told" / "raven").glob("*.txt"))) == 2
