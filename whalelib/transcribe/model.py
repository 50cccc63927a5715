"""The transcriber: Whisper's encoder and decoder, what it hears, and what its tokens say, kept in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, WhisperForConditionalGeneration
from transformers import WhisperConfig as Architecture
from transformers.utils import logging

from whalelib.errors import InputError, needs_extra
from whalelib.transcribe.hearing import Hearing
from whalelib.transcribe.speech import Text
from whalelib.transcribe.vocabulary import Vocabulary

_ABOUT = "transcriber.json"
_TOKENS_A_SECOND = 9  # three calls begin at once in every second of a window: more is no song
_ATTENTION = ["q_proj", "k_proj", "v_proj"]


class Grammar(LogitsProcessor):
    """Holds a sentence to `onset label offset`, again and again, until it ends between two calls."""

    def __init__(self, words: Vocabulary, start: int) -> None:
        self.words, self.start = words, start

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        words, place = self.words, (input_ids.shape[1] - self.start) % 3
        allowed = torch.full_like(scores, -torch.inf)
        first, last = words.first_moment, words.first_moment + words.moments
        if place == 1:
            allowed[:, words.first_label : words.first_label + len(words.labels)] = 0.0
        else:
            allowed[:, first:last] = 0.0
        moments = torch.arange(scores.shape[1], device=scores.device)[None]
        if place == 0:
            allowed[:, last - 1] = -torch.inf  # nothing begins where the window ends
            allowed[:, words.end] = 0.0
            if input_ids.shape[1] > self.start:  # calls stand in the order of their onsets
                allowed[(moments >= first) & (moments < last) & (moments < input_ids[:, -3:-2])] = -torch.inf
        elif place == 2:
            allowed[(moments >= first) & (moments < last) & (moments <= input_ids[:, -2:-1])] = -torch.inf
        ended = (input_ids[:, self.start :] == words.end).any(1)
        allowed[ended] = -torch.inf
        allowed[ended, words.end] = 0.0
        return scores + allowed


class CallWhisper(WhisperForConditionalGeneration):
    """Whisper whose sentences are calls; the rules by which published Whisper writes text are not theirs."""

    words: Vocabulary

    def generate(self, input_features: Tensor, **options: Any) -> Any:
        start = torch.tensor([self.words.start] * len(input_features), device=input_features.device)
        options = {name: value for name, value in options.items() if name not in ("labels", "decoder_input_ids")}
        return GenerationMixin.generate(
            self,
            input_features,
            decoder_input_ids=start,
            logits_processor=[Grammar(self.words, start.shape[1])],
            **options,
        )


@dataclass
class Transcriber:
    """A model with its hearing and its words: calls (`Vocabulary`) or texts (`Text`)."""

    model: Any
    hearing: Hearing
    words: Any

    def save(self, folder: str | Path) -> Path:
        """Weights, configuration and words, so that the folder is all that is needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.words.save(folder)
        about = {"kind": self.words.kind, "words": self.words.about(), "hearing": self.hearing.about()}
        (folder / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        return folder

    def heard(self, pictures: np.ndarray, beams: int = 1) -> list[tuple[list[Any], list[float]]]:
        """What each picture tells: its calls (or texts), and how sure each of them is, from 0 to 1."""
        self.model.eval()
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            told = self.model.generate(
                torch.from_numpy(pictures).to(device),
                num_beams=beams,
                return_dict_in_generate=True,
                output_scores=True,
            )
            sure = self.model.compute_transition_scores(
                told.sequences, told.scores, told.get("beam_indices"), normalize_logits=True
            )
        start = told.sequences.shape[1] - sure.shape[1]
        tokens, chances = told.sequences[:, start:].tolist(), sure.float().exp().tolist()
        return [self.words.told(line, chance) for line, chance in zip(tokens, chances, strict=True)]


def fresh(
    labels: Sequence[str],
    hearing: Hearing,
    *,
    moment_seconds: float = 0.08,
    width: int = 128,
    layers: int = 2,
    dropout: float = 0.1,
    seed: int = 0,
) -> Transcriber:
    """A small transcriber that knows nothing yet; its first weights depend on `seed` alone."""
    words = Vocabulary.small(labels, hearing.window_seconds, moment_seconds)
    heads = next(many for many in range(max(width // 32, 1), 0, -1) if width % many == 0)
    architecture = Architecture(
        vocab_size=words.size,
        num_mel_bins=hearing.bands,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_source_positions=hearing.frames // 2,
        max_target_positions=_longest(hearing),
        dropout=dropout,
        pad_token_id=words.end,
        bos_token_id=words.start[0],
        eos_token_id=words.end,
        decoder_start_token_id=words.start[0],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CallWhisper(architecture)
    return _speaking(model, hearing, words)


def vocabulary_of(
    source: str, labels: Sequence[str], window_seconds: float, speed: float = 1.0
) -> tuple[Hearing, Vocabulary]:
    """What published Whisper weights would hear and say, of which their description alone is read."""
    about = _loaded(Architecture, source)
    try:
        told = getattr(GenerationConfig.from_pretrained(source), "no_timestamps_token_id", None)
    except OSError:
        told = None
    hearing, known = Hearing(window_seconds, speed, about.num_mel_bins), about.vocab_size
    first = told + 1 if told else known - 1501  # moments stand last, 0.00 to 30.00 s
    start = (about.decoder_start_token_id,)
    words = Vocabulary(tuple(labels), hearing.step_seconds, window_seconds, start, about.eos_token_id, first, known)
    if first < 0 or first + words.moments > known:
        raise InputError(f"{source} has no tokens for moments (it knows {known}): choose Whisper weights that have.")
    return hearing, words


def published(source: str, labels: Sequence[str], window_seconds: float, speed: float = 1.0) -> Transcriber:
    """Published Whisper weights from a local folder (or the hub), taught to say calls.

    Its moments are its own, 20 ms as it hears them; labels are new tokens behind all others. A window shorter than
    thirty seconds takes the first of its positions, which are sines of the time since the beginning.
    """
    hearing, words = vocabulary_of(source, labels, window_seconds, speed)
    model = _loaded(CallWhisper, source)
    with torch.random.fork_rng(devices=[]):  # what the new tokens begin with depends on nothing that was drawn before
        torch.manual_seed(0)
        model.resize_token_embeddings(words.size, mean_resizing=False)
    _shorten(model, hearing.frames // 2)
    return _speaking(model, hearing, words)


def text_of(source: str, language: str = "", task: str = "transcribe") -> tuple[Hearing, Text]:
    """What published Whisper weights hear and say of speech, of which their description alone is read."""
    about = _loaded(Architecture, source)
    hearing = Hearing(2 * about.max_source_positions / 100, 1.0, about.num_mel_bins)
    return hearing, Text.of({"source": source, "language": language, "task": task})


def speaking(source: str, language: str = "", task: str = "transcribe") -> Transcriber:
    """Published Whisper weights as they are, for speech: thirty seconds, and texts by its own tokenizer."""
    hearing, words = text_of(source, language, task)
    model = _loaded(WhisperForConditionalGeneration, source)
    if language and getattr(model.generation_config, "lang_to_id", None):
        model.generation_config.language, model.generation_config.task = language, task
    return Transcriber(model, hearing, words)


def load(source: str | Path) -> Transcriber:
    """A transcriber that was saved, from its folder, the folder of its training, or a repository of the hub."""
    folder = next((f for f in (Path(source), Path(source) / "transcriber") if (f / _ABOUT).exists()), None)
    folder = folder or _fetched(str(source))
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{source} holds no transcriber ({_ABOUT} is missing): train one with notebook 07.") from None
    hearing = Hearing(**about["hearing"])
    if about["kind"] == Text.kind:
        text = Text.of({**about["words"], "source": str(folder)})
        return Transcriber(_loaded(WhisperForConditionalGeneration, str(folder)), hearing, text)
    return _speaking(_loaded(CallWhisper, str(folder)), hearing, Vocabulary.of(about["words"]))


def extend(transcriber: Transcriber, labels: Sequence[str]) -> Transcriber:
    """The same transcriber with tokens for more labels, which are still to be learnt."""
    words = transcriber.words.extended(labels)
    transcriber.model.resize_token_embeddings(words.size, mean_resizing=False)
    return _speaking(transcriber.model, transcriber.hearing, words)


def with_lora(
    transcriber: Transcriber, rank: int, alpha: float = 16.0, dropout: float = 0.0, seed: int = 0
) -> Transcriber:
    """LoRA on the queries, keys and values of all attention; the new tokens of the labels always learn."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise needs_extra("peft", "models") from None
    words, new = transcriber.words, None
    if isinstance(words, Vocabulary):
        new = {"embed_tokens": [words.first_label + k for k in range(len(words.labels))]}
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number does
        lora_dropout=dropout,
        target_modules=_ATTENTION,
        trainable_token_indices=new,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(transcriber.model, config)
    return Transcriber(adapted, transcriber.hearing, words)


def merged(transcriber: Transcriber) -> Transcriber:
    """LoRA added into the weights, where there is any: the same answers, and nothing of peft in it."""
    model = transcriber.model
    if hasattr(model, "merge_and_unload"):
        return Transcriber(model.merge_and_unload(), transcriber.hearing, transcriber.words)
    return transcriber


def _speaking(model: CallWhisper, hearing: Hearing, words: Vocabulary) -> Transcriber:
    model.words = words
    model.generation_config = GenerationConfig(
        decoder_start_token_id=words.start[0],
        bos_token_id=words.start[0],
        eos_token_id=words.end,
        pad_token_id=words.end,
        max_length=min(model.config.max_target_positions, _longest(hearing)),
        do_sample=False,
    )
    return Transcriber(model, hearing, words)


def _longest(hearing: Hearing) -> int:
    return min(8 + int(_TOKENS_A_SECOND * hearing.window_seconds), 448)


def _shorten(model: Any, positions: int) -> None:
    encoder = model.model.encoder
    if positions > encoder.embed_positions.num_embeddings:
        raise InputError(f"these weights hear {encoder.embed_positions.num_embeddings / 50:g} s: shorten the window.")
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(encoder.embed_positions.weight[:positions].clone())
    model.config.max_source_positions = encoder.max_source_positions = positions


def _fetched(source: str) -> Path:
    """The folder of a repository of the hub; what is a folder here is none."""
    from huggingface_hub import snapshot_download

    if Path(source).exists():
        return Path(source)
    try:
        return Path(snapshot_download(source))
    except (OSError, ValueError) as error:  # the hub's own errors are both
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"{source} cannot be had as a transcriber ({reason}): name a run's folder, a folder that a transcriber was "
            "saved to, or a repository of the hub."
        ) from None


def _loaded(kind: type, source: str) -> Any:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return kind.from_pretrained(source)  # type: ignore[attr-defined]
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"no Whisper weights could be loaded from {source} ({reason}): name a local folder that holds "
            "config.json and model.safetensors, or a name on the hub where there is a network."
        ) from None
    finally:
        logging.set_verbosity(verbosity)
