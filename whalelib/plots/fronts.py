"""What a front end makes of sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from whalelib.plots.style import lettering


def pictures(
    axes: Sequence[Axes],
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str],
    seconds: float,
    hz: np.ndarray | None = None,
) -> None:
    """Front-end pictures [bands, frames] side by side; each says its bands where they differ in how many they have.

    With the middle of each band in `hz`, the axis says frequencies.
    """
    alike = len({len(image) for image in images}) == 1
    for ax, image, title in zip(axes, images, titles, strict=False):
        ax.imshow(image, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, len(image)))
        ax.set(title=title, xlabel="time (s)", ylabel="band")
        if hz is not None:
            rows = np.linspace(0, len(hz) - 1, 4).round().astype(int)
            ax.set_yticks(rows + 0.5, [f"{hz[row]:.0f}" for row in rows])
            ax.set_ylabel("frequency (Hz)")
        if alike:
            ax.label_outer()


def filters(ax: Axes, hz: np.ndarray, weights: np.ndarray) -> None:
    """The bands of a front end, a line each, over frequency."""
    ax.plot(hz, weights, color="0.4", lw=0.6)
    ax.set(xlabel="frequency (Hz)", ylabel="weight", xscale="log", title=f"{weights.shape[1]} bands")


def augmented(axes: Sequence[Axes], images: dict[str, np.ndarray], seconds: float) -> None:
    """The picture [bands, frames] of one clip under each change, all in the shades of the first, which is unchanged."""
    axes, first = list(axes), next(iter(images.values()))
    for ax in axes:
        ax.set_visible(False)
    for ax, (name, image) in zip(axes, images.items(), strict=False):
        pictures([ax], image[None], [lettering(name)], seconds)
        ax.images[0].set_clim(*np.percentile(first, (1, 99.5)))
        ax.set_visible(True)
