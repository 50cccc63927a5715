"""Call transcription: a recording in, the sequence of its calls with their times out, as one transcribes speech."""

from whalelib.transcribe.hearing import Hearing
from whalelib.transcribe.listening import transcribe
from whalelib.transcribe.model import Transcriber, extend, fresh, load, merged, published, speaking, with_lora
from whalelib.transcribe.scoring import Edits, edits, onset_errors, unit_report
from whalelib.transcribe.speech import Text, common_voice
from whalelib.transcribe.store import Transcripts, build, fetch, open_transcripts, upload
from whalelib.transcribe.training import Taught, load_taught, teach
from whalelib.transcribe.vocabulary import Call, Vocabulary
from whalelib.transcribe.windows import Joining, as_events, calls_in, onsets

__all__ = [
    "Call",
    "Edits",
    "Hearing",
    "Joining",
    "Taught",
    "Text",
    "Transcriber",
    "Transcripts",
    "Vocabulary",
    "as_events",
    "build",
    "calls_in",
    "common_voice",
    "edits",
    "extend",
    "fetch",
    "fresh",
    "load",
    "load_taught",
    "merged",
    "onset_errors",
    "onsets",
    "open_transcripts",
    "published",
    "speaking",
    "teach",
    "transcribe",
    "unit_report",
    "upload",
    "with_lora",
]
