"""Which training clips an epoch sees, and in which order: a draw that depends on seed and epoch alone.

Every process of a training draws the same epoch, and accelerate deals its batches out among them; so each gets a share
of its own. A training that is resumed in the middle of an epoch draws that epoch again and skips what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from whalelib.errors import InputError

SAMPLERS = ("shuffled", "balanced", "root", "rated")
_POWER = {"balanced": 1.0, "root": 0.5}  # a class is drawn by its number of clips to the power of one minus this


def sampler(
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    sampler: str = "shuffled",
    epoch_negatives: float | None = None,
    seed: int = 0,
) -> EpochSampler | None:
    """The sampler of a training fold with targets [clips, classes] and a weight for each clip.

    - shuffled: every clip once, in a new order each epoch (None where the usual shuffling does that)
    - balanced: every class equally often, clips without a call being a class of their own; a clip of two classes can be
      drawn as either
    - root: every class in proportion to the root of its number of clips, so each clip by its classes' frequency to the
      power of -0.5
    - rated: clips in proportion to their weight, such as a rating

    All but the first draw with replacement. With `epoch_negatives` only that many clips without a call, for each clip
    with one, take part in an epoch; the next epoch has others.
    """
    targets, weights = np.asarray(targets, dtype=float), np.asarray(weights, dtype=float)
    if sampler not in SAMPLERS:
        raise InputError(f"sampler cannot be {sampler!r}: it is one of {', '.join(SAMPLERS)}.")
    if sampler == "shuffled" and epoch_negatives is None:
        return None
    held = np.nan_to_num(targets, nan=0.0) >= 0.5
    held = np.column_stack([held, ~held.any(axis=1)])
    if sampler == "rated":
        _check_weights(weights)
        return EpochSampler(held, None, weights, epoch_negatives, seed)
    return EpochSampler(held, _POWER.get(sampler), None, epoch_negatives, seed)


def _check_weights(weights: np.ndarray) -> None:
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise InputError(
            "the sampler 'rated' draws clips by their weight, and these weights hold negative values, no numbers, or "
            "zeros only: mend the column weight, or use another sampler."
        )


class EpochSampler(Sampler[int]):
    """Rows of a fold, drawn anew each epoch. `held` says which classes a clip holds; its last column, that it has none.

    Without `power` and `weights` every row that takes part comes once.
    """

    def __init__(
        self,
        held: np.ndarray,
        power: float | None = None,
        weights: np.ndarray | None = None,
        epoch_negatives: float | None = None,
        seed: int = 0,
    ) -> None:
        self.held, self.power, self.weights, self.seed = held, power, weights, seed
        self.epoch = 0
        self.calls, self.negatives = np.flatnonzero(~held[:, -1]), np.flatnonzero(held[:, -1])
        wanted = len(self.negatives) if epoch_negatives is None else round(epoch_negatives * len(self.calls))
        self.negatives_an_epoch = min(wanted, len(self.negatives))
        if not len(self):
            raise InputError(
                f"an epoch would be empty: there are {len(self.calls)} clips with a call and {len(self.negatives)} "
                "without, and epoch_negatives leaves none of them; raise it."
            )

    def __len__(self) -> int:
        return len(self.calls) + self.negatives_an_epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the training before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        yield from self.rows(self.epoch).tolist()

    def rows(self, epoch: int) -> np.ndarray:
        """The rows of an epoch, in order."""
        rng = np.random.default_rng((self.seed, epoch))
        negatives = rng.choice(self.negatives, self.negatives_an_epoch, replace=False)
        there = np.concatenate([self.calls, negatives])
        if self.power is None and self.weights is None:
            return rng.permutation(there)
        chance = self.weights[there] if self.weights is not None else self._chances(there)
        if not chance.sum() > 0:
            raise InputError("all clips that take part in this epoch have weight 0: raise epoch_negatives.")
        return rng.choice(there, len(there), p=chance / chance.sum())

    def _chances(self, there: np.ndarray) -> np.ndarray:
        """A class is drawn by its number of clips to the power of one minus `power`, and then one of its clips."""
        held = self.held[there]
        often = held.sum(axis=0)
        return held[:, often > 0] @ often[often > 0] ** -float(self.power or 0)
