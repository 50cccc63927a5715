"""Clips: cut from recordings, labelled, split by group, and kept in a store."""

from whalelib.clips.background import background
from whalelib.clips.building import build_store
from whalelib.clips.choosing import balance, hard_negatives
from whalelib.clips.cutting import cut
from whalelib.clips.labels import (
    CELL_SECONDS,
    NOISE,
    UNKNOWN,
    class_list,
    classes_of,
    frame_targets,
    has_noise_class,
    label,
)
from whalelib.clips.leakage import check_leakage, merge_groups, parted_files
from whalelib.clips.splitting import cross_validation, folds, one_sided, split, split_by_class
from whalelib.clips.store import FOLDS, Store, open_store, read_batch
from whalelib.clips.transfer import fetch, upload

__all__ = [
    "CELL_SECONDS",
    "FOLDS",
    "NOISE",
    "UNKNOWN",
    "Store",
    "background",
    "balance",
    "build_store",
    "check_leakage",
    "class_list",
    "classes_of",
    "cross_validation",
    "cut",
    "fetch",
    "folds",
    "frame_targets",
    "hard_negatives",
    "has_noise_class",
    "label",
    "merge_groups",
    "one_sided",
    "open_store",
    "parted_files",
    "read_batch",
    "split",
    "split_by_class",
    "upload",
]
