"""Fine-tuning: what is frozen stays, what is new learns, and LoRA is the same merged, saved, and counted."""

import copy

import pytest
import torch
from model_zoo import CLASSES, tiny
from torch import nn

from whalelib import models
from whalelib.errors import InputError
from whalelib.models import Detector, load_adapter, merged, parameter_groups, registry, save_adapter, trainable_share
from whalelib.models.freezing import layers
from whalelib.models.registry import Picture

pytestmark = pytest.mark.usefixtures("one_thread")

WITH_ATTENTION = ["conformer", "ast", "whisper", "wav2vec2", "hubert", "timm:vit_tiny_patch16_224",
                  "timm:swinv2_tiny_window8_256", "timm:eva02_tiny_patch14_224"]  # fmt: skip


def noise(clips=4, seed=0):
    return 0.1 * torch.randn(clips, 3000, generator=torch.Generator().manual_seed(seed))


def train_a_little(detector, steps=3, **options):
    optimiser = torch.optim.AdamW(parameter_groups(detector, 1e-2, 0.01, **options))
    detector.train()
    for _ in range(steps):
        optimiser.zero_grad()
        logits = detector(noise())
        (logits.clip.square().sum() + logits.frames.square().mean()).backward()
        optimiser.step()
    return detector.eval()


def changed(before, after):
    return {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before.state_dict()[name])}


# Freezing


@pytest.mark.parametrize("model", ["small_cnn", "cnn14", "timm:resnet18", "ast"])
def test_a_frozen_network_stays_to_the_last_bit_its_norms_too_and_the_head_learns(model):
    detector = tiny(model, freeze="all", head_layers=2)
    before = copy.deepcopy(detector)
    moved = changed(before, train_a_little(detector))
    assert moved
    assert all(name.startswith("head.") for name in moved)
    assert {name for name, _ in detector.head.named_parameters()} <= {name.removeprefix("head.") for name in moved}


def test_frozen_up_to_a_stage_everything_below_stays_and_everything_above_learns():
    detector = tiny("timm:resnet18", freeze="layer2")
    moved = changed(copy.deepcopy(detector), train_a_little(detector))
    stages = {name.split(".")[2] for name in moved if name.startswith("network.")}
    assert stages == {"layer3", "layer4"}
    with pytest.raises(InputError, match=r"freeze cannot be 'layer9'.*such as model\.layer"):
        tiny("timm:resnet18", freeze="layer9")


def test_layers_are_counted_from_the_sound_to_the_answer():
    assert list(layers(tiny().network)) == ["stem", "stem_norm", "blocks.0", "blocks.1", "blocks.2", "project"]
    ast = list(layers(tiny("ast").network))
    assert ast[0] == "model.embeddings"
    assert ast[-3:] == ["model.layers.0", "model.layers.1", "model.layernorm"]


def test_frozen_parts_come_back_frozen(tmp_path):
    tiny(freeze="all").save_pretrained(tmp_path)
    loaded = Detector.from_pretrained(str(tmp_path))
    assert not any(p.requires_grad for p in loaded.network.parameters())
    assert all(p.requires_grad for p in loaded.head.parameters())


def test_the_share_that_learns_is_said():
    detector = tiny(freeze="all")
    learning = sum(p.numel() for p in detector.head.parameters())
    total = sum(p.numel() for p in detector.parameters())
    assert trainable_share(detector) == f"{learning:,} of {total:,} parameters learn ({learning / total:.2%})"


# Groups


def test_groups_hold_every_parameter_that_learns_once_and_slow_down_layer_by_layer():
    detector = tiny("ast", freeze="model.embeddings")
    groups = parameter_groups(detector, 1e-3, 0.1, layer_decay=0.5)
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in detector.parameters() if p.requires_grad)
    rate = {group["name"]: group["lr"] for group in groups}
    assert rate["head"] == 1e-3
    assert rate["model.layernorm"] == 5e-4
    assert rate["model.layers.0"] == rate["model.layers.1"] / 2 == rate["model.layernorm"] / 4
    for group in groups:
        assert group["weight_decay"] == (0.1 if all(p.ndim > 1 for p in group["params"]) else 0.0)


def test_without_decay_all_layers_learn_alike():
    assert {group["lr"] for group in parameter_groups(tiny(), 1e-3)} == {1e-3}
    with pytest.raises(InputError, match="layer_decay cannot be 1.5"):
        parameter_groups(tiny(), 1e-3, layer_decay=1.5)


def test_positions_and_tokens_are_not_pulled_towards_zero():
    for model in ("ast", "timm:vit_tiny_patch16_224"):
        detector = tiny(model)
        free = {
            id(p)
            for group in parameter_groups(detector, 1.0, 0.1)
            if not group["weight_decay"]
            for p in group["params"]
        }
        named = [p for name, p in detector.named_parameters() if "token" in name or "pos" in name]
        assert len(named) >= 2
        assert all(id(p) in free for p in named)


# LoRA


def lora(model, **options):
    return tiny(model, **{"lora_rank": 4, "lora_alpha": 8.0, **options})


def awake(detector):
    """No branch at zero, as a fresh Swin V2 has them: what lies behind one has no slope."""
    with torch.no_grad():
        for name, parameter in detector.network.named_parameters():
            if "lora" not in name and parameter.ndim == 1 and not parameter.any():
                parameter.fill_(0.5)
    return detector


@pytest.mark.parametrize("model", WITH_ATTENTION)
def test_lora_begins_as_nothing_learns_alone_and_merges_into_the_same_answers(model):
    plain, detector = awake(tiny(model)), awake(lora(model))
    with torch.no_grad():
        torch.testing.assert_close(detector(noise()).clip, plain(noise()).clip, atol=1e-5, rtol=1e-5)
    before = copy.deepcopy(detector)
    moved = changed(before, train_a_little(detector))
    assert all("lora_" in name or name.startswith("head.") for name in moved)
    assert {name for name in detector.state_dict() if "lora_" in name} <= moved  # each one is heard
    whole = merged(detector)
    assert not any("lora" in name for name in whole.state_dict())
    assert set(whole.state_dict()) == set(plain.state_dict())
    with torch.no_grad():
        assert not torch.allclose(detector(noise()).frames, before(noise()).frames, atol=1e-3)
        torch.testing.assert_close(whole(noise()).frames, detector(noise()).frames, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", ["ast", "timm:vit_tiny_patch16_224"])
def test_a_detector_with_lora_is_saved_whole_merged_or_as_its_adapter_alone(model, tmp_path):
    detector = train_a_little(lora(model, lora_dropout=0.1))
    answer = detector(noise()).frames
    detector.save_pretrained(tmp_path / "whole")
    loaded = Detector.from_pretrained(str(tmp_path / "whole")).eval()
    assert torch.equal(loaded(noise()).frames, answer)
    assert trainable_share(loaded) == trainable_share(detector)
    merged(detector).save_pretrained(tmp_path / "merged")
    plain = Detector.from_pretrained(str(tmp_path / "merged")).eval()
    assert plain.options["lora_rank"] == 0
    torch.testing.assert_close(plain(noise()).frames, answer, atol=1e-4, rtol=1e-4)
    save_adapter(detector, tmp_path / "adapter")
    fresh = lora(model, lora_dropout=0.1)
    load_adapter(tmp_path / "adapter", fresh)
    assert torch.equal(fresh(noise()).frames, answer)
    sizes = {kind: sum(f.stat().st_size for f in (tmp_path / kind).iterdir()) for kind in ("whole", "adapter")}
    assert sizes["adapter"] < sizes["whole"] / 2


def test_an_adapter_of_other_weights_or_options_is_refused(tmp_path):
    save_adapter(lora("ast"), tmp_path)
    with pytest.raises(InputError, match="learnt on other frozen weights"):
        load_adapter(tmp_path, lora("ast", seed=5))
    with pytest.raises(InputError, match="another lora_rank"):
        load_adapter(tmp_path, lora("ast", lora_rank=2))
    (tmp_path / "adapter.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="holds no whole adapter"):
        load_adapter(tmp_path, lora("ast"))


def test_an_adapter_of_a_frozen_network_with_norms_brings_head_and_free_norms_alone(tmp_path):
    detector = train_a_little(tiny("timm:resnet18", freeze="layer3"))
    save_adapter(detector, tmp_path)
    fresh = tiny("timm:resnet18", freeze="layer3")
    load_adapter(tmp_path, fresh)
    assert changed(detector, fresh) == set()


def test_a_network_without_attention_has_no_lora():
    with pytest.raises(InputError, match="no attention to put LoRA on"):
        lora("small_cnn")


def added_by_lora(network, rank=16):
    from whalelib.models.lora import insert

    with torch.device("meta"):
        insert(network, network.attention, rank, 16.0, 0.0)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def test_lora_has_the_sizes_that_were_published():
    """r = 16: 147,456 on a tiny model's fused q, k, v, and 884,736 on a base model's separate ones."""
    picture = Picture(1, 128, 206, 160, 16000)
    with torch.device("meta"):
        tiny_model = registry.backbone("timm:vit_tiny_patch16_224", picture)
        base = registry.backbone("ast", picture, width=128)
    whole = sum(p.numel() for p in base.parameters())
    assert added_by_lora(tiny_model) == 147_456
    assert added_by_lora(base) == 884_736
    assert 884_736 / whole == pytest.approx(0.0103, abs=1e-4)


# The Trainer's wishes


@pytest.mark.parametrize("model", ["ast", "wav2vec2", "timm:vit_tiny_patch16_224", "timm:resnet18"])
def test_checkpointed_gradients_are_the_gradients(model):
    plain, saving = tiny(model).train(), tiny(model).train()
    saving.activation_checkpointing_enable({"use_reentrant": False})
    for detector in (plain, saving):
        for module in detector.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        torch.manual_seed(0)
        detector(noise()).clip.square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        if a.requires_grad:
            torch.testing.assert_close(b.grad, a.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_a_network_that_cannot_checkpoint_says_so():
    with pytest.raises(InputError, match="small_cnn cannot checkpoint"):
        tiny().activation_checkpointing_enable()


def test_every_model_with_attention_is_among_those_tested_with_lora():
    """A network that declares attention is tested above, or its LoRA is not known to be heard."""
    declares = {entry.name for entry in models.entries() if tiny_attention(entry.name)}
    assert declares == set(WITH_ATTENTION)
    assert CLASSES


def tiny_attention(name):
    network = tiny(name).network
    return any(
        isinstance(m, nn.Linear) and n.rsplit(".", 1)[-1] in network.attention for n, m in network.named_modules()
    )
