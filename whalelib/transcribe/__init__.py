"""Call transcription: a recording in, the sequence of its calls with their times out, as one transcribes speech."""

from whalelib.transcribe.hearing import Hearing
from whalelib.transcribe.listening import transcribe
from whalelib.transcribe.model import (
    Transcriber,
    extend,
    fresh,
    load,
    merged,
    published,
    speaking,
    text_of,
    vocabulary_of,
    with_lora,
)
from whalelib.transcribe.scoring import Edits, edits, onset_errors, taken_for, unit_report
from whalelib.transcribe.speech import Text, common_voice
from whalelib.transcribe.store import Transcripts, build, fetch, fingerprint, open_transcripts, read_about, upload
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
    "fingerprint",
    "fresh",
    "load",
    "load_taught",
    "merged",
    "onset_errors",
    "onsets",
    "open_transcripts",
    "published",
    "read_about",
    "speaking",
    "taken_for",
    "teach",
    "text_of",
    "transcribe",
    "unit_report",
    "upload",
    "vocabulary_of",
    "with_lora",
]
