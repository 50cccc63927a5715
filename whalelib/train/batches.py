"""The training's reader: a fold of a store in whole batches, shared out among processes."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from whalelib.clips import UNKNOWN, Store
from whalelib.features import FrontEnd

_SAMPLE = 512  # clips; enough for a mean and a spread
NO_CLIP = -1  # the row that a process reads for which a batch holds no clip: a clip without any weight


class ClipBatches(Dataset):
    """A fold of a store, read a whole batch at a time; decoding clips one by one would cost more than the network."""

    def __init__(
        self,
        store: Store,
        fold: str,
        shuffled_labels_seed: int | None = None,
        targets: np.ndarray | None = None,
        weighted: bool = True,
        front_end: FrontEnd | None = None,
    ) -> None:
        """`targets` take the place of the store's (pseudo-labels do); unless `weighted`, every clip weighs the same.

        With a `front_end`, which must know what it needs to know by then, each clip's picture is made here.
        """
        self.store, self.fold, self.weighted, self.front_end = store, fold, weighted, front_end
        self.replaced = None if targets is None else np.asarray(targets, dtype=np.float32)
        self.label_of = np.arange(len(store.folds[fold]))
        if shuffled_labels_seed is not None:
            np.random.default_rng(shuffled_labels_seed).shuffle(self.label_of)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """The clips table of the fold."""
        return self.store.table(self.fold)

    @property
    def targets(self) -> np.ndarray:
        """What each clip is trained on, [clips, classes]."""
        own = self.clips[self.store.classes].to_numpy() if self.replaced is None else self.replaced
        return own[self.label_of]

    def __len__(self) -> int:
        return len(self.label_of)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        wanted = np.maximum(rows, 0)
        batch = self.store.batch(self.fold, wanted)
        if not np.array_equal(self.label_of[wanted], wanted):
            labels = self.store.batch(self.fold, self.label_of[wanted].tolist())
            batch.update(targets=labels["targets"], frames=labels["frames"])
        if self.replaced is not None:
            batch["targets"] = self.replaced[self.label_of[wanted]]
        if not self.weighted:
            batch["weight"] = np.ones_like(batch["weight"])
        # Arrow's buffers are read-only, which a tensor cannot be.
        read = {name: torch.from_numpy(np.require(values, requirements="W")) for name, values in batch.items()}
        if self.front_end is not None:
            with torch.no_grad():
                read["picture"] = torch.cat([self.front_end(clip) for clip in read["waveform"].split(1)])
        if NO_CLIP in rows:
            nothing = torch.tensor(rows) == NO_CLIP
            read["targets"][nothing], read["frames"][nothing], read["weight"][nothing] = torch.nan, UNKNOWN, 0.0
        return read


def sample_of(store: Store) -> Tensor:
    """Waveforms of training clips from all over the fold, of which a front end learns what it needs to know."""
    clips = len(store.folds["train"])
    rows = np.unique(np.linspace(0, clips - 1, min(clips, _SAMPLE)).round().astype(int))
    return torch.from_numpy(store.batch("train", rows)["waveform"])


class Shares(Sampler[list[int]]):
    """The rows of a sampler in batches, and of each batch the part that is this process's.

    The parts of a batch follow each other in the order of the processes. Every process has one in every batch, or those
    that had would wait for it for ever: at least `NO_CLIP`, and where answers are gathered (`equal`) as many rows as
    the others.
    """

    def __init__(
        self, sampler: Sampler[int] | Sized, batch_size: int, process: int = 0, processes: int = 1, equal: bool = False
    ) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        self.process, self.processes, self.equal = process, processes, equal

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)  # type: ignore[arg-type]  # every sampler here has a length

    def __iter__(self) -> Iterator[list[int]]:
        for rows in BatchSampler(self.sampler, self.batch_size, drop_last=False):  # type: ignore[arg-type]
            part = -(-len(rows) // self.processes)
            mine = rows[self.process * part : (self.process + 1) * part]
            yield mine + [NO_CLIP] * ((part if self.equal else 1) - len(mine))


def loader(dataset: Dataset, shares: Shares, workers: int = 0) -> DataLoader:
    """Batches as the dataset reads them, for a Trainer."""
    return DataLoader(
        dataset,
        batch_sampler=shares,
        collate_fn=_as_read,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _as_read(batch: Any) -> Any:
    return batch
