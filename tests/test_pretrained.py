"""Published weights: read by the real loaders from local folders, laid over other pictures, missed in one sentence."""

import pytest
import torch
from model_zoo import CLASSES, SMALL, tiny

from whalelib import models
from whalelib.errors import InputError
from whalelib.models import Detector, build, registry
from whalelib.models.registry import Picture

pytestmark = pytest.mark.usefixtures("one_thread")

FRONT_ENDS = {"ast": "ast", "whisper": "whisper", "wav2vec2": "waveform", "hubert": "waveform"}
every_speech_model = pytest.mark.parametrize("model", FRONT_ENDS)


def noise(clips=2, samples=6000, seed=0):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


def published(model, folder):
    """A tiny model as transformers saves it, of the class that its checkpoints on the hub have."""
    import transformers as hf

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(1)
    if model == "ast":
        whole = hf.ASTForAudioClassification(hf.ASTConfig(**sizes, max_length=120))
        torch.nn.init.normal_(whole.audio_spectrogram_transformer.embeddings.position_embeddings)
    elif model == "whisper":
        whole = hf.WhisperModel(
            hf.WhisperConfig(d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64, vocab_size=60,
                             decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=64, max_source_positions=50,
                             pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0)
        )  # fmt: skip
    else:
        kind = hf.Wav2Vec2ForPreTraining if model == "wav2vec2" else hf.HubertModel
        config = hf.Wav2Vec2Config if model == "wav2vec2" else hf.HubertConfig
        whole = kind(config(**sizes, conv_dim=(16,) * 7, num_conv_pos_embedding_groups=4, codevector_dim=16))
    whole.eval().save_pretrained(folder)
    return whole


def pretrained(model, folder, **options):
    given = {"classes": CLASSES, "model": model, "speed": 8.0, "features": {"front_end": FRONT_ENDS[model]}}
    return build(3, str(folder), **{**given, **options}).eval()


# transformers


def reference(model, whole, picture):
    """What transformers' own forward pass makes of the same picture, laid out as the contract has it."""
    if model == "ast":
        ends = [picture[..., :1].expand(-1, -1, -1, 8), picture, picture[..., -1:].expand(-1, -1, -1, 2)]
        hidden = whole.audio_spectrogram_transformer(torch.cat(ends, -1)[:, 0].transpose(1, 2)).last_hidden_state
        return hidden[:, 2:].unflatten(1, (12, 11)).mean(1)
    if model == "whisper":
        return whole.encoder(picture[:, 0]).last_hidden_state
    base = whole.wav2vec2 if model == "wav2vec2" else whole
    return base(torch.nn.functional.pad(picture.flatten(1), (200, 0))).last_hidden_state


@every_speech_model
def test_the_backbone_with_published_weights_is_the_published_model(model, tmp_path):
    whole = published(model, tmp_path)
    network = pretrained(model, tmp_path).network
    # As long as the model was made for, so that no position is stretched and nothing is cut at the end.
    shape = {"ast": (1, 128, 110), "whisper": (1, 80, 100)}.get(model, (1, 1, 320 * 9 + 200))
    picture = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(picture), reference(model, whole, picture), atol=1e-5, rtol=1e-5)


@every_speech_model
def test_a_pretrained_detector_is_saved_and_loaded_without_its_source(model, tmp_path):
    published(model, tmp_path / "source")
    detector = pretrained(model, tmp_path / "source", lora_rank=2)
    detector.save_pretrained(tmp_path / "saved")
    (tmp_path / "source").rename(tmp_path / "gone")
    loaded = Detector.from_pretrained(str(tmp_path / "saved")).eval()
    with torch.no_grad():
        assert torch.equal(loaded(noise()).frames, detector(noise()).frames)
    assert detector.frame_seconds == loaded.frame_seconds


@every_speech_model
def test_other_clip_lengths_and_bands_are_heard_with_the_same_weights(model, tmp_path):
    published(model, tmp_path)
    if FRONT_ENDS[model] == "waveform":
        features = {"front_end": "waveform"}
    else:
        features = {"n_mels": 40, "window_seconds": 0.032, "hop_seconds": 0.01, "band_high_hz": 7600.0,
                    "band_low_hz": 20.0, "mel_break_hz": 700.0}  # fmt: skip
    for seconds in (1.5, 3.0, 20.0):
        detector = pretrained(model, tmp_path, features=features, clip_seconds=seconds)
        waveform = noise(1, detector.clip_samples)
        with torch.no_grad():
            logits = detector(waveform)
        assert logits.frames.shape == (1, detector.frames, 3)
        assert logits.frames.isfinite().all()
    theirs = pretrained(model, tmp_path, features=features, clip_seconds=20.0).network.state_dict()
    same = pretrained(model, tmp_path).network.state_dict()
    assert all(torch.equal(theirs[name], same[name]) for name in same)


def test_positions_are_stretched_as_an_image_would_be_and_left_alone_where_they_fit():
    picture = Picture(1, 48, 96, 160, 16000)
    network = registry.backbone("ast", picture, width=8, depth=1)
    own = network.model.embeddings.position_embeddings
    assert network._positions(*network.grid) is own
    rows, columns = network.grid
    ramp = torch.linspace(0, 1, columns).expand(rows, columns)
    with torch.no_grad():
        own[0, 2:] = ramp.reshape(-1, 1)
    stretched = network._positions(rows, 2 * columns).detach()[0, 2:, 0].unflatten(0, (rows, 2 * columns))
    assert (stretched.diff(dim=1) > -1e-3).all()
    torch.testing.assert_close(stretched[0], stretched[-1])
    assert stretched[0, columns // 2 : -columns // 2].mean() == pytest.approx(0.5, abs=0.02)


def test_weights_for_another_rate_ask_for_speed(tmp_path):
    published("whisper", tmp_path)
    with pytest.raises(InputError, match="trained at 16000 Hz, and it would hear 2000 Hz: set speed to 8"):
        pretrained("whisper", tmp_path, speed=1.0, features={})


def test_weights_of_another_model_are_refused(tmp_path):
    published("whisper", tmp_path)
    with pytest.raises(InputError, match="these weights are of a whisper, not of a hubert"):
        pretrained("hubert", tmp_path)


@pytest.mark.parametrize("model", ["ast", "timm:resnet18"])
@pytest.mark.parametrize("source", ["default", "/nowhere/at/all"])
def test_offline_one_sentence_says_what_was_looked_for_and_how_to_point_at_a_folder(model, source):
    options = {"speed": 8.0, "features": {"front_end": "ast"}} if model == "ast" else {}
    with pytest.raises(InputError, match=r"could not be had.*set pretrained\s+to that folder") as error:
        build(0, source, classes=["a"], model=model, **options)
    sought = models.find(model).published if source == "default" else source
    assert repr(sought) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_of_our_own_has_no_weights_to_be_found():
    with pytest.raises(InputError, match="small_cnn has no weights that are found by themselves"):
        build(0, "default", classes=["a"])


# timm


@pytest.mark.parametrize("name", ["timm:resnet18", "timm:vit_tiny_patch16_224", "timm:swinv2_tiny_window8_256"])
def test_timm_weights_come_from_a_local_file_for_other_channels_and_picture_sizes(name, tmp_path):
    import timm

    torch.manual_seed(5)
    photographs = timm.create_model(name.partition(":")[2], num_classes=7, **SMALL[name])
    torch.save(photographs.state_dict(), tmp_path / "pytorch_model.bin")
    detector = build(0, str(tmp_path), classes=CLASSES, model=name, network=SMALL[name], features={"n_mels": 32})
    theirs, ours = photographs.state_dict(), detector.network.model.state_dict()
    same = [k for k in theirs if k in ours and torch.equal(theirs[k], ours[k])]
    assert len(same) > 0.8 * len(ours)
    first = next(k for k in ours if ours[k].ndim == 4)
    torch.testing.assert_close(ours[first], theirs[first].sum(1, keepdim=True))  # three colours into one loudness
    assert detector(noise()).clip.isfinite().all()


def test_a_name_that_timm_does_not_have_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"timm has no model 'resnet81'; did you mean 'resnet"):
        tiny("timm:resnet81")


def test_any_name_of_timm_is_a_model():
    detector = build(0, classes=CLASSES, model="timm:test_resnet", time_stride=16, features={"n_mels": 32})
    assert detector.stride == 16
    assert detector(noise()).frames.shape == (2, detector.frames, 3)


# PANNs


def cnn14_file(path, classes=3, bands=64, width=2, attention=True):
    """A checkpoint in the layout of the published ones, front end and all."""
    network = registry.backbone("cnn14", Picture(1, bands, 94, 320, 32000), network={"width": width})
    draws = torch.Generator().manual_seed(0)
    layout = {name: torch.rand(tensor.shape, generator=draws) if tensor.is_floating_point() else tensor
              for name, tensor in network.state_dict().items()}  # fmt: skip
    layout["spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(5, 1, 8)
    layout["logmel_extractor.melW"] = torch.zeros(5, bands)
    dim = 32 * width
    if attention:
        for part in ("att", "cla"):
            layout[f"att_block.{part}.weight"] = torch.rand(classes, dim, 1, generator=draws)
            layout[f"att_block.{part}.bias"] = torch.rand(classes, generator=draws)
    else:
        layout["fc_audioset.weight"], layout["fc_audioset.bias"] = torch.zeros(classes, dim), torch.zeros(classes)
    torch.save({"iteration": 600000, "model": layout}, path)
    return layout


def cnn14(path, **options):
    given = {"classes": CLASSES, "model": "cnn14", "sample_rate": 2000, "speed": 16.0, "network": {"width": 2},
             "pooling": "decision", "features": {"window_seconds": 0.032, "hop_seconds": 0.01, "band_low_hz": 50.0,
                                                 "band_high_hz": 14000.0, "mel_break_hz": 700.0}}  # fmt: skip
    return build(0, str(path), **{**given, **options}).eval()


def test_the_usual_width_of_a_cnn14_is_the_published_one():
    picture = Picture(1, 64, 94, 320, 32000)
    usual, narrow = registry.backbone("cnn14", picture), registry.backbone("cnn14", picture, width=4)
    assert (usual.dim, narrow.dim) == (2048, 256)
    assert usual.conv_block1.conv1.weight.shape[0] == 64


def test_a_published_cnn14_is_taken_whole_where_the_shapes_are_the_same(tmp_path):
    layout = cnn14_file(tmp_path / "Cnn14_DecisionLevelAtt.pth")
    detector = cnn14(tmp_path / "Cnn14_DecisionLevelAtt.pth")
    own = detector.network.state_dict()
    assert all(torch.equal(own[name], layout[name]) for name in own)
    assert torch.equal(detector.head.classify.weight, layout["att_block.cla.weight"][..., 0])
    assert torch.equal(detector.head.attend.weight, layout["att_block.att.weight"][..., 0])
    assert detector(noise()).clip.isfinite().all()


@pytest.mark.parametrize("attention", [True, False])
def test_norm_and_attention_of_a_cnn14_are_new_where_bands_or_classes_are_others(tmp_path, attention):
    layout = cnn14_file(tmp_path / "Cnn14.pth", classes=527, attention=attention)
    features = {"window_seconds": 0.032, "hop_seconds": 0.01, "n_mels": 40, "band_high_hz": 14000.0}
    detector = cnn14(tmp_path / "Cnn14.pth", features=features)
    own = detector.network.state_dict()
    assert own["bn0.weight"].shape == (40,)
    assert all(torch.equal(own[name], layout[name]) for name in own if not name.startswith("bn0."))
    assert detector.head.classify.weight.shape == (3, 64)
    assert detector(noise()).clip.isfinite().all()


def test_what_is_no_cnn14_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no file .*nothing.pth"):
        cnn14(tmp_path / "nothing.pth")
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="broken.pth holds no weights that can be read"):
        cnn14(tmp_path / "broken.pth")
    cnn14_file(tmp_path / "wide.pth", width=4)
    with pytest.raises(InputError, match="does not hold a Cnn14 of this width"):
        cnn14(tmp_path / "wide.pth")


def test_a_checkpoint_that_would_run_something_is_refused_and_numpy_beside_the_weights_is_not(tmp_path):
    import numpy as np

    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").write_text, ("x",))

    torch.save({"model": {"a": torch.zeros(1)}, "sampler": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(InputError, match="holds no weights that can be read"):
        cnn14(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
    layout = cnn14_file(tmp_path / "good.pth")
    torch.save({"model": layout, "sampler": {"order": np.arange(5), "queue": [np.float64(1.0)]}}, tmp_path / "good.pth")
    assert cnn14(tmp_path / "good.pth").network.fc1.weight.equal(layout["fc1.weight"])
