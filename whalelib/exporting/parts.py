"""What of a detector is exported: the whole of it, or the part behind its front end."""

from __future__ import annotations

from torch import Tensor, nn

from whalelib.models import Detector


class Whole(nn.Module):
    """Waveforms [B, samples] to the probabilities of clips [B, classes] and of their frames [B, T, classes]."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.detector(waveform)
        return self.detector.probabilities(logits.clip), self.detector.probabilities(logits.frames)


class Clips(nn.Module):
    """Waveforms to the probabilities of clips alone."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, waveform: Tensor) -> Tensor:
        return self.detector.probabilities(self.detector(waveform).clip)


class BehindFrontEnd(nn.Module):
    """Pictures [B, channels, bands, frames] to the probabilities of their frames."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, picture: Tensor) -> Tensor:
        detector = self.detector
        return detector.probabilities(detector.classified(detector.embedded(picture)).frames)
