"""The bar of a scan: hours, files, and how many times faster than real time."""

from __future__ import annotations

import time

from tqdm.auto import tqdm


class Progress:
    """Moves on with the seconds of sound that are done; only what is scanned now counts for the speed."""

    def __init__(self, seconds: float, files: int, show: bool) -> None:
        self._bar = tqdm(
            total=seconds / 3600,
            desc="scanning",
            unit="h",
            disable=not show,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.2f} of {total:.2f} h [{elapsed}<{remaining}{postfix}]",
        )
        self._begun = time.monotonic()
        self._files, self._all_files = 0, files
        self._heard = self._in_file = 0.0

    def heard(self, seconds: float) -> None:
        """So far has the recording that is being scanned been heard."""
        self._heard += seconds - self._in_file
        self._advance(seconds)

    def finished(self, seconds: float) -> None:
        """A recording of this length is done, now or before, or cannot be."""
        self._files += 1
        self._advance(seconds)
        self._in_file = 0.0

    def close(self) -> None:
        self._bar.close()

    def _advance(self, seconds: float) -> None:
        speed = self._heard / max(time.monotonic() - self._begun, 1e-3)
        self._bar.set_postfix_str(f"{self._files:,}/{self._all_files:,} files, {speed:,.0f} x real time", refresh=False)
        step = max(seconds - self._in_file, 0.0) / 3600
        self._bar.total = max(self._bar.total or 0.0, self._bar.n + step)  # a file may be longer than was known
        self._bar.update(step)
        self._in_file = seconds
