"""What makes scans fast changes no score: shared frames, reading ahead, parts of batches, other engines."""

import json
import threading
import time

import numpy as np
import pytest
import torch
from model_zoo import tiny
from test_features import KINDS
from test_predict import noise, scores_of, slow_reference, table, written

from whalelib import features, models, predict
from whalelib.errors import InputError
from whalelib.models import build
from whalelib.predict import engines
from whalelib.predict.frames import Pictures
from whalelib.predict.reading import ahead

# Front ends by what could go wrong between neighbours: edges, recursions, whole-window steps, odd windows.
SHARED = {
    **KINDS,
    "top_db": {"top_db": 30.0, "normalise": "clip"},
    "odd window": {"window_seconds": 0.2505, "hop_seconds": 0.03},
    "no multiple": {"window_seconds": 0.25, "hop_seconds": 0.04, "normalise": "minmax"},
    "rows only": {"picture_bands": 24, "normalise": "frequency"},
    "long hop": {"front_end": "linear", "window_seconds": 0.1, "hop_seconds": 0.08},
}


def alike(found, expected):
    """Equal to single precision, on the scale of what is compared."""
    scale = max(float(expected.abs().max()), 1.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("hops", [1, 2, 7, 13])
@pytest.mark.parametrize("kind", SHARED)
def test_shared_frames_give_the_picture_of_every_window(kind, hops):
    rate, seconds = (16000, 1.0) if kind in ("ast", "whisper", "waveform") else (2000, 3.0)
    front_end = features.build(rate, seconds, **SHARED[kind])
    length, step = int(rate * seconds), hops * (160 if rate == 16000 else front_end.hop)
    starts = [round(k * step) for k in range(6)]
    stretch = torch.from_numpy(noise((starts[-1] + length) / rate, rate))
    pictures = Pictures(front_end, length, step)
    alike(pictures(stretch, starts), front_end(torch.stack([stretch[s : s + length] for s in starts])))


@pytest.mark.parametrize("kind", ["mel", "linear", "both", "pcen", "power", "rows only", "top_db", "odd window", "ast"])
def test_frames_are_shared_where_windows_overlap_by_whole_frames(kind):
    rate, seconds = (16000, 1.0) if kind == "ast" else (2000, 3.0)
    front_end = features.build(rate, seconds, **SHARED[kind])
    length = int(rate * seconds)
    assert Pictures(front_end, length, 4 * front_end.hop).shared
    assert not Pictures(front_end, length, 4 * front_end.hop + 1).shared
    assert not Pictures(front_end, length, length // front_end.hop * front_end.hop).shared  # nothing is gained


@pytest.mark.parametrize("kind", ["resized", "waveform"])
def test_what_cannot_be_shared_is_not(kind):
    front_end = features.build(2000, 3.0, **SHARED[kind])
    assert not Pictures(front_end, 6000, 2.5 * front_end.hop).shared


@pytest.mark.parametrize("window", [0.256, 0.9, 2.5])
def test_windows_that_are_all_edges_are_right_too(window):
    front_end = features.build(2000, 2.0, window_seconds=window)
    stretch = torch.from_numpy(noise(3.0, 2000))
    starts = [0, 64, 128]
    alike(
        Pictures(front_end, 4000, 64)(stretch, starts),
        front_end(torch.stack([stretch[s : s + 4000] for s in starts])),
    )


@pytest.mark.parametrize("features_of", [{}, {"compress": "pcen", "deltas": 1}])
def test_a_scan_equals_windows_by_themselves(features_of, tmp_path):
    detector = build(classes=["a", "b"], width=8, features=features_of).eval()
    samples = noise(14.3, 2000)
    _, _, scores = scores_of(detector, written(tmp_path / "a.wav", samples, 2000), 0.4)
    step = detector.frame_samples
    expected = slow_reference(detector, samples, int(800 // step))
    np.testing.assert_allclose(scores, expected[: len(scores)], atol=1e-5)


# Reading ahead


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


def test_what_is_read_ahead_is_the_same_in_the_same_order():
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []
    assert not readers()


def test_no_more_is_read_than_there_is_room_for():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    blocks = ahead(items(), most=2)
    next(blocks)
    for _ in range(200):  # until it waits for room
        time.sleep(0.005)
    assert len(made) <= 4
    blocks.close()
    assert not readers()


def test_a_consumer_that_stops_early_stops_the_reader_and_closes_its_file():
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    blocks = ahead(items())
    assert [next(blocks) for _ in range(3)] == [0, 1, 2]
    blocks.close()
    assert closed == [True]
    assert not readers()


def test_an_error_of_the_reader_comes_where_it_happened():
    def items():
        yield 1
        raise InputError("the file breaks off")

    blocks = ahead(items())
    assert next(blocks) == 1
    with pytest.raises(InputError, match="breaks off"):
        next(blocks)
    assert not readers()


def test_a_scan_that_is_left_leaves_no_reader_behind(tmp_path):
    path = written(tmp_path / "a.wav", noise(400.0, 2000), 2000)
    stretches = predict.score(build(classes=["a"], width=8), path, 400.0, batch=2)
    next(stretches)
    stretches.close()
    assert not readers()


# Memory


def test_a_batch_that_does_not_fit_is_halved_until_it_does():
    sizes = []

    def answer(pictures):
        if len(pictures) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(pictures))
        return pictures.numpy()

    engine = engines.Engine(answer)
    pictures = torch.arange(32.0)[:, None]
    with pytest.warns(UserWarning, match="windows at once do not fit"):
        found = engine(pictures)
    np.testing.assert_array_equal(found, pictures.numpy())
    assert sizes == [4] * 8
    engine(pictures)
    assert sizes == [4] * 16  # it is remembered


def test_what_does_not_fit_at_all_is_a_sentence():
    def answer(pictures):
        raise MemoryError

    with pytest.warns(UserWarning), pytest.raises(InputError, match="not even one window"):
        engines.Engine(answer)(torch.zeros(4, 1))


def test_another_error_is_not_taken_for_lack_of_memory():
    def answer(pictures):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        engines.Engine(answer)(torch.zeros(4, 1))


# Engines


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="torch, onnx, openvino, auto"):
        engines.start(tiny(), "tensorrt")


def test_mixed_precision_is_near_and_said_in_what_made_the_scores(tmp_path):
    detector = tiny()
    recordings = table(written(tmp_path / "a.wav", noise(10.0, 2000), 2000))
    how = {"scan_hop_seconds": 0.5, "progress": False}
    predict.scan(detector, recordings, tmp_path / "exact", **how)
    predict.scan(detector, recordings, tmp_path / "mixed", scan_precision="bfloat16", **how)
    exact, mixed = (predict.read_scores(tmp_path / name, ["a"])[detector.classes] for name in ("exact", "mixed"))
    difference = np.abs(exact.to_numpy() - mixed.to_numpy()).max()
    assert 0 < difference < 0.05
    before = (tmp_path / "mixed" / "a.parquet").stat().st_mtime_ns
    predict.scan(detector, recordings, tmp_path / "mixed", **how)  # exact ones are wanted now
    assert (tmp_path / "mixed" / "a.parquet").stat().st_mtime_ns > before


@pytest.fixture(scope="module")
def graphs():
    for module in ("onnx", "onnxruntime", "onnxscript", "openvino"):
        pytest.importorskip(module)


@pytest.fixture(scope="module")
def graph(graphs):
    """The graph of a small detector, exported once."""
    detector = tiny()
    return engines.graph(engines.BehindFrontEnd(detector), engines._example(detector, 3), "picture", ["frames"])


def compared(engine, detector):
    """An engine's answers are torch's, for batches of one and of five."""
    for windows in (1, 5):
        pictures = engines._example(detector, windows)
        np.testing.assert_allclose(engine(pictures), engines.TorchEngine(detector)(pictures), atol=1e-4)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_engine_answers_as_torch_does(graph, name):
    detector = tiny()
    compared(engines.GraphEngine(name, detector, graph), detector)


def test_an_engine_of_another_detector_is_noticed(graph):
    other = tiny()
    torch.nn.init.constant_(other.head.classify.bias, 5.0)
    with pytest.raises(InputError, match="off by"):
        engines.GraphEngine("onnx", other, graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "openvino"])
@pytest.mark.parametrize("model", [name for name in models.names() if name != "ast"])
def test_every_registered_network_runs_in_every_engine(graphs, model, name):
    detector = tiny(model)
    engine = engines.start(detector, name)
    assert engine.name == name
    compared(engine, detector)


@pytest.mark.slow
def test_what_cannot_be_a_graph_is_scanned_with_torch(graphs):
    with pytest.warns(UserWarning, match="scanned with torch"):
        assert engines.start(tiny("ast"), "onnx").name == "torch"


def test_what_auto_chose_is_kept_with_the_scores(graph, tmp_path, monkeypatch):
    """A scan that goes on must not change its engine, or its tables would not be those of an unbroken one."""
    detector = tiny()
    paths = [written(tmp_path / f"{name}.wav", noise(6.0, 2000, seed=k), 2000) for k, name in enumerate("ab")]
    how = {"engine": "auto", "progress": False}
    monkeypatch.setattr(engines, "graph", lambda *_: graph)
    monkeypatch.setattr(engines, "WORTH_SECONDS", 1.0)
    monkeypatch.setattr(engines, "_fastest", lambda found, example: found[1])  # onnx
    predict.scan(detector, table(*paths), tmp_path / "unbroken", **how)
    predict.scan(detector, table(paths[0]), tmp_path / "broken", **how)
    assert json.loads((tmp_path / "broken" / "engine.json").read_text())["engine"] == "onnx"
    monkeypatch.setattr(engines, "_fastest", lambda found, example: found[0])  # torch, if there were a choice
    predict.scan(detector, table(*paths), tmp_path / "broken", **how)
    for name in "ab":
        files = [(tmp_path / folder / f"{name}.parquet").read_bytes() for folder in ("broken", "unbroken")]
        assert files[0] == files[1]
