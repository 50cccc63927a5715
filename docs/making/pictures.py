"""The pictures of README and site, from the demo: `python docs/making/pictures.py experiments/demo/seed=0`.

Needs playwright (extra dev) and a Chromium for the one that is of the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter

PICTURES = Path(__file__).resolve().parents[1] / "pictures"


def detections(run: Path) -> None:
    """Annotations and detections of half a minute, as notebook 05 has drawn them."""
    _packed(run / "figures" / "detections.png", PICTURES / "detections.png", width=1100)


def curves(run: Path) -> None:
    """How well clips are ranked, and what share of calls is found at how many false alarms an hour."""
    from whalelib import config, plots, stages, train

    plots.use_style()
    knobs = config.resolve(config.read_yaml(run / "config.yaml"))
    parts = stages.split(knobs)
    store = stages.store(knobs, parts)
    detector = stages.fit(knobs, parts, progress=False).detector
    _, scores, _ = stages.detections(knobs, parts)
    curve = stages.detection_curve(knobs, parts, scores, stages.swept(knobs, parts, scores))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
    truth = store.table("test")[store.classes].to_numpy()
    plots.precision_recall(left, truth, train.predict_clips(detector, store, "test"), store.classes)
    left.set_title("clips of the held-out days, ranked", loc="left")
    plots.detection_curve(right, curve, parts.calls)
    right.set_title("calls found in them", loc="left")
    right.get_legend().remove()
    right.xaxis.set_major_formatter(ScalarFormatter())
    figure.savefig(PICTURES / "curves.png", dpi=110)
    _packed(PICTURES / "curves.png", PICTURES / "curves.png", width=1100)


def _packed(source: Path, target: Path, width: int) -> None:
    """In few colours: a spectrogram is mostly noise, which PNG cannot pack."""
    from PIL import Image

    picture = Image.open(source).convert("RGB")
    height = round(width * picture.height / picture.width)
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    small.quantize(64, method=Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


if __name__ == "__main__":
    from whalelib.app.portrait import portrait

    run = Path(sys.argv[1])
    detections(run)
    curves(run)
    portrait(str(run), PICTURES / "page.png")
