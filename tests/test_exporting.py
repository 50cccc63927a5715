"""Exports: read back in the programs that take them, they answer as the detector does."""

import functools
import io
import json
import zipfile

import numpy as np
import pytest
import torch
from model_zoo import shared, tiny

from whalelib import exporting, models
from whalelib.errors import InputError
from whalelib.exporting import files

NETWORKS = [name for name in models.names() if name != "ast"]  # its graph fixes the number of clips


def clips(detector, count):
    return 0.1 * torch.randn(count, detector.clip_samples, generator=torch.Generator().manual_seed(1))


def answers(detector, waveform):
    """Probabilities of clips and frames."""
    with torch.no_grad():
        logits = detector(waveform)
        return [detector.probabilities(part).numpy() for part in logits]


def onnx_and_openvino_agree(model, folder):
    import onnxruntime
    import openvino

    detector = shared(model)
    for kind in ("onnx", "openvino"):
        exporting.export(detector, kind, folder)
    session = onnxruntime.InferenceSession(str(folder / "detector.onnx"))
    compiled = openvino.Core().compile_model(str(folder / "detector.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert [output.name for output in session.get_outputs()] == ["clip", "frames"]
    for count in (1, 4):
        waveform = clips(detector, count)
        expected = answers(detector, waveform)
        for found in (session.run(None, {"waveform": waveform.numpy()}), compiled(waveform.numpy()).to_tuple()):
            for part, wanted in zip(found, expected, strict=True):
                np.testing.assert_allclose(part, wanted, atol=1e-4)
    return detector, json.loads((folder / "detector.json").read_text())


@pytest.fixture
def runtimes():
    for module in ("onnx", "onnxruntime", "onnxscript", "openvino"):
        pytest.importorskip(module)


def test_onnx_and_openvino_hear_waveforms_as_the_detector_does(runtimes, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_whole", functools.cache(files._whole))  # one graph serves both
    detector, about = onnx_and_openvino_agree("small_cnn", tmp_path)
    assert about["classes"] == detector.classes
    assert (about["sample_rate"], about["clip_samples"]) == (detector.sample_rate, detector.clip_samples)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("model", NETWORKS)
def test_every_registered_network_is_exported(runtimes, model, tmp_path):
    onnx_and_openvino_agree(model, tmp_path)


@pytest.mark.slow
def test_what_cannot_be_exported_says_so(runtimes, tmp_path):
    with pytest.raises(InputError, match="cannot be exported to ONNX"):
        exporting.export(tiny("ast"), "onnx", tmp_path)


@pytest.mark.parametrize("model", ["small_cnn", "crnn", "timm:resnet18"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_pamguard_finds_a_model_and_its_settings(model, exclusive, tmp_path):
    """Read as that module reads an archive: by the endings, then the keys that its parser asks for."""
    detector = tiny(model, exclusive=exclusive)
    (path,) = exporting.export(detector, "pamguard", tmp_path)
    with zipfile.ZipFile(path) as archive:
        (script,) = (name for name in archive.namelist() if name.endswith(".py"))
        (about,) = (name for name in archive.namelist() if name.endswith(".pdtf"))
        run = torch.jit.load(io.BytesIO(archive.read(script)))
        settings = json.loads(archive.read(about))
    assert settings["version_info"]["version"] == 1.0
    assert settings["class_info"] == {"num_class": 3, "name_class": detector.classes}
    assert settings["seg_size"]["size_ms"] == 1500
    assert settings["transforms"] == [{"name": "load_audio", "params": {"sr": 2000}}]
    assert settings["model_info"] == {"input_shape": [-1, 3000], "output_shape": [-1, 3]}
    for count in (1, 4):
        waveform = clips(detector, count)
        expected = answers(detector, waveform)[0]
        with torch.no_grad():
            np.testing.assert_allclose(run(waveform).numpy(), expected, atol=1e-4)
    filled = torch.nn.functional.pad(waveform[:, :-1], (0, 1))
    torch.testing.assert_close(run(waveform[:, :-1]), run(filled))  # decimated segments may be a sample off


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="onnx, openvino, pamguard"):
        exporting.export(tiny(), "tensorflow", tmp_path)


def test_the_command_exports_a_saved_detector(tmp_path):
    from typer.testing import CliRunner

    from whalelib.cli import app

    tiny().save_pretrained(tmp_path / "saved")
    said = CliRunner().invoke(
        app, ["export", str(tmp_path / "saved"), "--to", "pamguard", "--out", str(tmp_path / "out")]
    )
    assert said.exit_code == 0, said.output
    assert "detector.zip" in said.output
    assert zipfile.is_zipfile(tmp_path / "out" / "detector.zip")
