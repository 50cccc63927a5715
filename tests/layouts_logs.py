"""Miniatures of data sets that people have: recordings with selection tables, detection logs and label files."""

from pathlib import Path

import numpy as np
import soundfile

from whalelib.synth.miniatures import BALEEN, NOAA_HEADER, UPCALLS, write_table

RAVEN_HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
REVIEW_HEADER = RAVEN_HEADER + "\tDelta Time (s)\tPrediction/Comments\n"


def sound(path: Path, seconds: float = 10.0, rate: int = 200, channels: int = 1) -> Path:
    """A quiet recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def selections(path: Path, *rows: tuple[float, float, str], column: str = "Annotation") -> Path:
    """A Raven selection table of (begin, end, label)."""
    lines = [f"{k}\tSpectrogram 1\t1\t{a}\t{b}\t50\t90\t{label}\n" for k, (a, b, label) in enumerate(rows, 1)]
    return text(path, f"{RAVEN_HEADER}\t{column}\n" + "".join(lines))


def reviewed(path: Path, *rows: tuple[float, str]) -> Path:
    """A detector's table as its reviewer left it: (begin, comment), four seconds each, both views of each row."""
    lines = [
        f"{k}\t{view}\t1\t{begin:.9f}\t{begin + 4:.9f}\t50.000\t90.000\t4.0000\t{comment}\n"
        for k, (begin, comment) in enumerate(rows, 1)
        for view in ("Waveform 1", "Spectrogram 1")
    ]
    return text(path, REVIEW_HEADER + "".join(lines))


def detector_reviews(folder: Path) -> Path:
    """A detector's selections with a reviewer's marks, tables named after recording, date and kind of table."""
    for name in ("Bay_PU194_20090111_003000", "Bay_PU194_20090111_101000"):
        sound(folder / "audio" / f"{name}.wav", 30)
    reviewed(
        folder / "raven" / "Bay_PU194_20090111_003000_annot_2022-11-24_17_allnoise.txt",
        (0, "0.71534884"), (8, "0.78959155"), (16, "c"),
    )  # fmt: skip
    reviewed(
        folder / "raven" / "Bay_PU194_20090111_101000_annot_2022-11-24_17_allcalls.txt",
        (0, "0.98"), (4, "u"), (8, "n"), (12, "c"), (27, "0.53"),
    )  # fmt: skip
    return folder


def log(path: Path, *rows: tuple[str, str, str, str], channel: int = 10) -> Path:
    """A NOAA detection log of (start, end, species, confidence)."""
    lines = ((k, channel, a, b, 79.1, 170.5, species, word) for k, (a, b, species, word) in enumerate(rows, 1))
    return write_table(path, NOAA_HEADER, lines)


def audacity_tracks(folder: Path) -> Path:
    """Recordings with the label tracks that Audacity exports beside them, one of them without a label."""
    for name in ("A_20090328_001500", "b", "quiet"):
        sound(folder / f"{name}.wav")
    text(folder / "A_20090328_001500.txt", "1.5\t2.5\tfin\t0.5\n\\\t15.0\t25.0\n4\t5\tnoise\n")
    text(folder / "b_labels.txt", "1\t2\tblue\n")
    text(folder / "quiet.txt", "")
    return folder


def noaa_sites(folder: Path) -> Path:
    """Two sites that recorded at once, each with its sounds and its log in a folder of its own."""
    for site, second in (("north", "05"), ("south", "07")):
        sound(folder / site / "audio" / f"{site}_20090328_000000.wav", 20)
        row = (f"2009-03-28T00:00:{second}Z", "2009-03-28T00:00:09Z", "FIWH", "Detected")
        log(folder / site / "logs" / "log.csv", row, channel=2)
    return folder


def dclde(folder: Path, offset: str = "") -> Path:
    """Three recordings of a minute, two of them in a row before midnight, the third without _CH10, and both logs."""
    for name in ("20090328_235800_CH10", "20090328_235900_CH10", "20090329_000000"):
        sound(folder / "source-audio" / f"NOPP6_EST_{name}.wav", 60)
    log(
        folder / UPCALLS,
        (f"2009-03-28T23:58:10.500{offset}", f"2009-03-28T23:58:11.500{offset}", "RIWH", "Detected"),
        (f"2009-03-28T23:58:40.000{offset}", f"2009-03-28T23:58:46.000{offset}", "RIWH", "Possibly_Detected"),
        (f"2009-03-28T23:59:59.500{offset}", f"2009-03-29T00:00:00.700{offset}", "RIWH", "Detected"),
    )
    log(
        folder / BALEEN,
        (f"2009-03-28T23:58:10.600{offset}", f"2009-03-28T23:58:11.500{offset}", "RIWH", "Detected"),
        (f"2009-03-29T00:00:20.000{offset}", f"2009-03-29T00:00:22.000{offset}", "HUWH", "Detected"),
    )
    return folder
