"""Detectors: waveform in, logits out. `build` makes a fresh one, `Detector.from_pretrained` loads a saved one."""

# Importing a module of networks registers them.
from whalelib.models import cnn, conformer, panns, recurrent, speech, timm_networks  # noqa: F401
from whalelib.models.detector import Detector, Embeddings, Logits, build, joined
from whalelib.models.freezing import parameter_groups, trainable_share
from whalelib.models.listing import Listed, listing
from whalelib.models.lora import load_adapter, merged, save_adapter
from whalelib.models.registry import Backbone, Entry, Picture, entries, find, names, register

__all__ = [
    "Backbone", "Detector", "Embeddings", "Entry", "Listed", "Logits", "Picture", "build", "entries", "find", "joined",
    "listing", "load_adapter", "merged", "names", "parameter_groups", "register", "save_adapter", "trainable_share",
]  # fmt: skip
