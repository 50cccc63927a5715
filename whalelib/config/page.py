"""The page of knobs itself: each knob's name, type, unit, bounds, default, and one line on what it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from pydantic.dataclasses import dataclass

_STRICT = pydantic.ConfigDict(strict=True, allow_inf_nan=False)


def _knob(default: Any, says: str, unit: str = "", signed: bool = True, **bounds: Any) -> Any:
    """A field with its one line, its unit, its bounds, and whether it changes results (and so the signature)."""
    return Field(default=default, description=says, json_schema_extra={"unit": unit, "signed": signed}, **bounds)


@dataclass(frozen=True, config=_STRICT)
class Ocean:
    """The synthetic ocean, the data set that comes with the library."""

    ocean_seed: int = _knob(0, "draws calls, noise and ranges", ge=0)
    ocean_days: int = _knob(20, "how many days were recorded", "days", ge=1, le=3650)
    ocean_sites: int = _knob(2, "how many moorings recorded at once", "sites", ge=1, le=26)
    ocean_minutes: float = _knob(1.5, "length of the one recording a site makes each day", "min", gt=0, le=1440)
    ocean_rate: int = _knob(2000, "sample rate of the recordings", "Hz", ge=500, le=48000)
    ocean_density: float = _knob(1.0, "how busy the ocean is; 1 is about eight calls a minute", ge=0, le=5)
    ocean_song: bool = _knob(False, "do humpbacks sing all day, each unit with its label, and nobody else call?")


@dataclass(frozen=True, config=_STRICT)
class Reading:
    """How the annotations of a data set are to be understood. The synthetic ocean's are its own."""

    label_column: str = _knob("", "the column of a table that holds the label; empty: the source's usual one")
    default_label: str = _knob("", "the label of rows whose table has no label column")
    negative_labels: list[str] = _knob(["noise", "background", "none"], "labels that mean that no call is there")
    group_column: str = _knob("", "the column of a table that names the group (tape, site); empty: from dates")
    verdict_column: str = _knob("", "the column of a Raven table in which a reviewer wrote yes, no or unsure")
    absent_tables: list[str] = _knob([], "words in the names of Raven tables whose rows say that no call is there")
    song_types: bool = _knob(False, "rfcx: is every song type a class of its own?")
    zone: str = _knob("", "zone of times that do not say theirs, as UTC-5; empty: the source's usual one")
    log_zone: str = _knob("", "the zone of a log's times, where it is not that of the file names")
    logs: Literal["upcalls", "baleen", "both"] = _knob("upcalls", "dclde2013: which detection logs are read")
    possible: Literal["keep", "drop", "present"] = _knob(
        "keep", "hedged calls: kept as possible, dropped (if exhaustive, their time is unknown), or taken for calls"
    )
    exhaustive: bool = _knob(False, "is every call annotated, so that an empty stretch is noise? The ocean's are")


@dataclass(frozen=True, config=_STRICT)
class Data:
    """Where recordings come from, and how clips are cut from them."""

    source: str = _knob("synthetic", "the kind of data set; `whalelib sources` lists them")
    data_path: str = _knob("", "folder of the data set; not used by the synthetic ocean", signed=False)
    store_path: str = _knob(
        "",
        "folder of a finished store of clips (or of transcripts' features) to learn from, without its recordings",
        signed=False,
    )
    listen_seconds: float = _knob(20.0, "how much of each recording the doctor listens to", "s", signed=False, gt=0)
    keep_sound: bool = _knob(True, "do notebooks hold sound to listen to? Not if it may not be passed on", signed=False)
    classes: list[str] = _knob([], "the labels to detect; empty means every label of the training days")
    sample_rate: int = _knob(2000, "what every clip is resampled to", "Hz", ge=100, le=96000)
    clip_seconds: float = _knob(3.0, "length of a clip, and of the window that slides over a recording", "s", gt=0)
    clip_from: Literal["window", "call"] = _knob(
        "window", "a clip is a window with its surroundings, or the call alone"
    )
    padding: Literal["zeros", "wrap", "reflect", "edge", "mirror", "zeros_mirror", "centre", "random"] = _knob(
        "reflect", "how a piece shorter than a clip is filled up"
    )
    truncation: Literal["start", "centre", "random"] = _knob(
        "random", "with clip_from=call: which part of a call is taken that is longer than a clip"
    )
    min_overlap: float = _knob(0.5, "share of a call (or of the clip) that makes a clip positive", gt=0, le=1)
    clips_per_call: int = _knob(8, "training clips cut around each call, each shifted differently", "clips", ge=1)
    placing: Literal["jittered", "centred"] = _knob("jittered", "where in its training clips a call lies")
    dense: bool = _knob(False, "are training clips every window, as those of the held-out days are?")
    clip_hop_seconds: float | None = _knob(
        None, "step of the windows where every window is a clip; empty: half a clip", "s", gt=0
    )
    negatives: float = _knob(1.0, "training clips without a call for each clip with one", ge=0)
    hard_share: float = _knob(
        0.0, "share of these that a detector of the same knobs, trained without them, takes most for calls", ge=0, le=1
    )
    majority_ratio: float = _knob(
        0.0, "training clips of the commonest kind that stay for each one of all others; 0 keeps all", ge=0
    )
    noise_class: bool = _knob(False, "is 'noise' a class of its own, 1 where no call of any label is?")
    split_by: Literal["group", "recording"] = _knob(
        "group", "what the split never cuts: a group (day, tape, site), or a recording alone, where groups are too few"
    )
    join_copies: Literal["alike", "equal", "none"] = _knob(
        "alike", "recordings that never part in the split: of one sound, of equal files, or neither"
    )
    copy_seconds: float = _knob(120.0, "how much of each recording is compared with the others", "s", gt=0)
    validation_share: float = _knob(0.2, "share of the groups (days) kept for choosing epoch and threshold", ge=0, lt=1)
    test_share: float = _knob(0.2, "share of the groups (days) kept for the final figures", ge=0, lt=1)
    n_folds: int = _knob(
        0,
        "parts of a cross-validation over what is not tested; 0: one split by the shares",
        "folds",
        ge=0,
        le=100,
    )
    validation_fold: int = _knob(0, "the part that validates in this run, from 0 to n_folds - 1", "fold", ge=0)
    split_seed: int = _knob(0, "draws which groups are held out, and where negatives lie", ge=0)


@dataclass(frozen=True, config=_STRICT)
class Features:
    """The front end: what picture of the sound the network sees."""

    front_end: Literal["mel", "linear", "mfcc", "mel+mfcc", "dclde", "ast", "whisper", "waveform"] = _knob(
        "mel", "the kind of picture; ast, whisper and waveform are those models' own and hear no other knob here"
    )
    window_seconds: float = _knob(0.256, "length of the analysis window", "s", gt=0)
    hop_seconds: float = _knob(0.032, "step from one frame to the next", "s", gt=0)
    n_mels: int = _knob(64, "number of mel bands", "bands", ge=1)
    band_low_hz: float = _knob(10.0, "lower edge of the lowest band", "Hz", ge=0)
    band_high_hz: float = _knob(950.0, "upper edge of the highest band", "Hz", gt=0)
    mel_scale: Literal["break", "htk", "slaney", "linear"] = _knob(
        "break", "on what the bands are evenly spaced: break bends at mel_break_hz, htk and slaney are speech's"
    )
    mel_break_hz: float = _knob(
        100.0, "bands are evenly spaced below it, logarithmic above (mel_scale break); speech has 700", "Hz", gt=0
    )
    filter_height: Literal["peak", "area"] = _knob("peak", "filters are one high, or have an area of one (Slaney)")
    compress: Literal["db", "log", "pcen", "power"] = _knob("db", "what the network sees of a band's power")
    top_db: float = _knob(0.0, "nothing further than this below the clip's loudest point; 0: no limit", "dB", ge=0)
    pcen_seconds: float = _knob(0.4, "the recent past by which PCEN divides a band", "s", gt=0)
    pcen_gain: float = _knob(0.98, "how much of the level PCEN takes out", ge=0, le=1)
    pcen_bias: float = _knob(2.0, "PCEN's offset before its root", gt=0)
    pcen_power: float = _knob(0.5, "PCEN's root", gt=0, le=1)
    pcen_trainable: bool = _knob(False, "does each band learn PCEN's gain, bias and power?")
    n_mfcc: int = _knob(0, "number of cepstral coefficients; 0: as many as bands", "coefficients", ge=0)
    deltas: int = _knob(0, "first (1) and second (2) differences over time as channels", "orders", ge=0, le=2)
    normalise: Literal["none", "clip", "channel", "frequency", "band", "minmax", "dataset"] = _knob(
        "band", "mean and spread taken out, of what; band: each band's mean and the clip's spread"
    )
    picture_bands: int = _knob(0, "resize the picture to so many rows; 0: leave them", "rows", ge=0)
    picture_frames: int = _knob(0, "resize a clip's picture to so many columns; 0: leave them", "columns", ge=0)


@dataclass(frozen=True, config=_STRICT)
class Augment:
    """What is done to training clips, each time differently, so that the detector learns what does not matter."""

    augmentations: list[str] = _knob([], "as 'pink_noise p=0.3 snr=5..20'; `whalelib augmentations` lists them")
    background_path: str = _knob("", "background: a folder of noise; empty: the training clips without a call")


@dataclass(frozen=True, config=_STRICT)
class Model:
    """The network behind the front end."""

    model: str = _knob("small_cnn", "name of the network; `whalelib models` lists them, and timm:NAME is any of timm's")
    pretrained: str = _knob("", "its weights: a local file or folder, a name on the hub, or default; empty: none")
    width: int = _knob(
        32, "channels of the first layer, later ones being multiples; cnn14 has twice as many, a transformer six times",
        "channels", ge=4, multiple_of=4,
    )  # fmt: skip
    depth: int = _knob(
        0, "blocks or recurrent layers, where a network has some; 0: as many as is usual", "layers", ge=0
    )
    time_stride: int = _knob(
        0, "frames of the picture to one answer, where that is free; 0: as is usual", "frames", ge=0
    )
    speed: float = _knob(1.0, "how much faster the network hears the sound: 8 makes 16 kHz of 2 kHz", gt=0, le=1000)
    neck: Literal["none", "attention", "chrononet"] = _knob("none", "what stands between the network and its head")
    head_layers: int = _knob(1, "layers of the head", "layers", ge=1, le=3)
    dropout: float = _knob(0.2, "share of the embedding that is dropped in training", ge=0, lt=1)
    pooling: Literal["attention", "attention_max", "decision", "gem", "max", "mean"] = _knob(
        "attention", "how frames become one answer for the clip"
    )
    freeze: str = _knob("", "what of the network does not learn: all, or everything up to this layer; empty: nothing")
    lora_rank: int = _knob(
        0, "rank of the LoRA that learns in place of the network's attention; 0: none", "directions", ge=0
    )
    lora_alpha: float = _knob(16.0, "LoRA's change counts this much, divided by its rank", gt=0)
    lora_dropout: float = _knob(0.0, "share of its input that LoRA does not see in training", ge=0, lt=1)


@dataclass(frozen=True, config=_STRICT)
class Train:
    """How the detector is fitted."""

    seed: int = _knob(0, "draws the first weights and the order of the clips", ge=0)
    epochs: int = _knob(12, "how often every training clip is seen", "epochs", ge=1)
    batch_size: int = _knob(64, "clips in one step", "clips", ge=1)
    learning_rate: float = _knob(3e-3, "peak step size of AdamW", gt=0)
    weight_decay: float = _knob(0.02, "AdamW's pull towards zero", ge=0)
    layer_decay: float = _knob(1.0, "each layer's step size as a share of that of the layer above it", gt=0, le=1)
    warmup_share: float = _knob(0.1, "share of the steps in which the step size rises", ge=0, lt=1)
    schedule: Literal["cosine", "cosine_restarts", "one_cycle", "linear", "constant"] = _knob(
        "cosine", "how the step size goes on after its rise"
    )
    cycles: int = _knob(2, "cosine_restarts: how often the step size falls from its peak to zero", "falls", ge=1)
    clip_gradient: float = _knob(1.0, "a longer gradient is shortened to this length; 0 leaves it", ge=0)
    precision: Literal["float32", "bf16", "fp16"] = _knob(
        "float32", "what the network computes in; the front end always in float32; fp16 needs a GPU"
    )
    accumulation: int = _knob(1, "parts in which a step's clips are computed: more parts, less memory", "parts", ge=1)
    recompute: bool = _knob(False, "are activations computed again for the gradient? Less memory, more time")
    compiled: bool = _knob(False, "is the network compiled? It costs a minute and pays on long trainings", signed=False)
    ema: float = _knob(0.0, "weights are judged and kept as a running mean with this decay; 0: as they are", ge=0, lt=1)
    average: Literal["none", "best", "last"] = _knob("none", "are the weights of several epochs averaged at the end?")
    averaged: int = _knob(3, "how many epochs' weights are averaged", "epochs", ge=2)
    choose_by: Literal["ap", "auc", "f1", "accuracy", "padded_ap", "lwlrap", "loss"] = _knob(
        "ap", "the validation figure by which an epoch is kept"
    )
    patience: int = _knob(0, "stop after so many epochs without a better one; 0: never", "epochs", ge=0)
    members: int = _knob(
        1, "trainings, each from a seed of its own, whose mean answer is the detector's", "trainings", ge=1
    )
    front_end_in: Literal["model", "reader"] = _knob(
        "model", "where pictures are made: of a batch, by the model, or of clip after clip, by what reads them"
    )
    workers: int = _knob(0, "processes that read clips", "processes", signed=False, ge=0)
    save_every: int = _knob(0, "a checkpoint each so many steps too; 0: one an epoch", "steps", signed=False, ge=0)
    keep_at: str = _knob(
        "", "a place that outlives the session (folder, s3://, gs://, hf://) for copies of checkpoints", signed=False
    )


@dataclass(frozen=True, config=_STRICT)
class Tracking:
    """Where runs are written to as they happen, beside their folders. None of it changes a result."""

    mlflow_server: str = _knob("", "address of an mlflow server, as http://127.0.0.1:5000; empty: none", signed=False)
    mlflow_experiment: str = _knob("whalelib", "the mlflow experiment that runs are logged to", signed=False)
    tensorboard: bool = _knob(False, "are curves written for tensorboard, beside the detector?", signed=False)
    profile_batches: int = _knob(
        10, "by how many it is measured where a training's time goes; 0: it is not", "batches", signed=False, ge=0
    )


@dataclass(frozen=True, config=_STRICT)
class Objective:
    """What a training minimises."""

    loss: Literal["bce", "focal", "softmax"] = _knob(
        "bce", "bce: every class by itself; focal: the same, hard cases first; softmax: classes exclude each other"
    )
    focal_gamma: float = _knob(2.0, "focal: how little an easy case costs; at 0 it is bce", ge=0)
    positive_weight: float = _knob(1.0, "weight of a missed call beside that of a false one", gt=0)
    class_weight_power: float = _knob(
        0.0, "classes weigh as their number of training clips to the power of minus this", ge=0, le=2
    )
    label_smoothing: float = _knob(0.0, "share of a target that is spread over all answers", ge=0, lt=1)
    frame_weight: float = _knob(1.0, "weight of the frame-wise loss beside the clip-wise one", ge=0)
    loudest_weight: float = _knob(0.0, "weight of a clip-wise loss on the loudest frame", ge=0)
    center_weight: float = _knob(0.0, "weight of how far clips are from the centre of their class", ge=0)
    center_step: float = _knob(0.5, "how far a class's centre follows its clips in one step", gt=0, le=1)
    teachers: list[str] = _knob([], "folders of trained detectors, whose mean answer is taught, too (distillation)")
    distill_weight: float = _knob(0.5, "share of the teachers in the clip-wise loss", ge=0, le=1)
    temperature: float = _knob(2.0, "what teachers' and detector's logits are divided by for that", gt=0)


@dataclass(frozen=True, config=_STRICT)
class Sampling:
    """Which training clips an epoch sees."""

    sampler: Literal["shuffled", "balanced", "root", "rated"] = _knob(
        "shuffled", "each clip once; each class alike; by the root of its clips; or each clip by its weight"
    )
    epoch_negatives: float | None = _knob(
        None, "clips without a call for each one with, drawn anew each epoch; empty: all", ge=0
    )


@dataclass(frozen=True, config=_STRICT)
class Pseudo:
    """Rounds in which a detector's sure answers become labels of clips whose truth is not known."""

    pseudo_rounds: int = _knob(0, "trainings after the first one", "rounds", ge=0)
    pseudo_present: float = _knob(0.9, "a score from here on makes an unknown target a call", ge=0, le=1)
    pseudo_absent: float = _knob(0.05, "a score up to here makes it none", ge=0, le=1)
    pseudo_soft: bool = _knob(False, "is the score itself the target?")


@dataclass(frozen=True, config=_STRICT)
class Transcripts:
    """What a transcriber hears at once, and what its words are."""

    transcript_seconds: float = _knob(12.0, "sound that is transcribed at once; at most 30 s times speed", "s", gt=0)
    transcript_hop_seconds: float | None = _knob(
        None, "step of the windows to learn from; empty: a quarter of one", "s", gt=0
    )
    transcript_bands: int = _knob(80, "mel bands of a model that begins from nothing", "bands", ge=8, le=128)
    moment_seconds: float = _knob(0.08, "step of its times; published weights have 0.02 s times speed", "s", gt=0)
    whisper: str = _knob("", "Whisper weights to begin with: a local folder, or a name on the hub; empty: none")
    speech_path: str = _knob("", "speech instead of calls: a folder of tables with audio and sentence", signed=False)
    speech_language: str = _knob("", "speech: its language, as in english, for weights that know several")


@dataclass(frozen=True, config=_STRICT)
class Transcriber:
    """How large a transcriber is that begins from nothing, and how it listens."""

    transcriber_width: int = _knob(128, "numbers that stand for each moment", "channels", ge=8, multiple_of=4)
    transcriber_layers: int = _knob(2, "layers that listen, and as many that tell", "layers", ge=1)
    transcriber_dropout: float = _knob(0.1, "share of what is passed on that is dropped in training", ge=0, lt=1)
    beams: int = _knob(
        1, "transcripts that are followed side by side, of which the likeliest is told", "transcripts", ge=1, le=32
    )
    transcript_overlap_seconds: float | None = _knob(
        None, "what neighbouring windows share when a recording is transcribed; empty: a quarter of one", "s", gt=0
    )


@dataclass(frozen=True, config=_STRICT)
class Scan:
    """How a trained detector runs over long recordings."""

    merged_classes: dict[str, list[str]] = _knob(
        {},
        "what is answered, if not each class: by name, the classes (song types) of which it is the most",
    )
    scan_hop_seconds: float = _knob(1.5, "step from one window to the next", "s", gt=0)
    scan_batch: int = _knob(64, "windows in one forward pass", "windows", signed=False, ge=1)
    engine: Literal["torch", "auto", "onnx", "openvino"] = _knob(
        "torch", "what computes on a processor; auto: the fastest that is installed", signed=False
    )
    scan_precision: Literal["float32", "bfloat16", "float16"] = _knob("float32", "what the network computes in")
    test_crops: int = _knob(1, "clips of a recording whose scores are averaged where it gets one answer", "clips", ge=1)
    test_speeds: list[Annotated[float, Field(gt=0, le=10)]] = _knob(
        [1.0], "there the recording is played so much faster, and scores are averaged over these speeds", min_length=1
    )


@dataclass(frozen=True, config=_STRICT)
class Post:
    """From scores to detections, the steps in this order."""

    smoothing: Literal["moving", "neighbours", "median"] = _knob(
        "moving", "all cells alike, those nearby more than those further off, or the middle value"
    )
    smooth_seconds: float = _knob(0.2, "over how long scores are smoothed; 0 leaves them", "s", ge=0)
    hysteresis: float = _knob(0.0, "a detection goes on while the score is so little below its threshold", ge=0, le=1)
    at_least: int = _knob(1, "so many of of_cells neighbouring cells must reach the threshold", "cells", ge=1)
    of_cells: int = _knob(1, "see at_least; never taken for fewer than that", "cells", ge=1)
    merge_seconds: float = _knob(0.25, "two detections closer than this become one", "s", ge=0)
    min_seconds: float = _knob(0.3, "shorter detections are dropped", "s", ge=0)
    max_seconds: float = _knob(0.0, "longer detections are too long; 0: none is", "s", ge=0)
    too_long: Literal["drop", "cut"] = _knob("drop", "what is too long is dropped, or cut into equal parts")
    sharpen: bool = _knob(False, "do detections end where the score crosses the threshold, or with the cell?")
    suppress_seconds: float = _knob(
        0.0, "of detections of a class whose middles lie closer than this the best stays; 0: all do", "s", ge=0
    )
    suppress_iou: float = _knob(
        1.0, "of detections of two classes that share more of their joint time the better stays; 1: all do", ge=0, le=1
    )


@dataclass(frozen=True, config=_STRICT)
class Deciding:
    """Which score is a call, as validation days have it."""

    calibration: Literal["none", "isotonic", "platt", "temperature"] = _knob(
        "none", "the curve, fitted on validation days, that makes scores probabilities"
    )
    threshold: float | None = _knob(None, "score that opens a detection; empty: chosen on validation days", ge=0, le=1)
    class_thresholds: dict[str, float] = _knob({}, "the threshold of some classes, by name, over all others")
    aim: Literal["f1", "segments", "recall", "rate"] = _knob(
        "f1", "thresholds are chosen for the best F1 of calls or of segments, for aim_recall, or for aim_rate"
    )
    aim_recall: float = _knob(0.9, "share of calls to be found, with as few false alarms as can be", gt=0, le=1)
    aim_rate: float = _knob(1.0, "false alarms an hour and class that are allowed", "1/h", ge=0)
    segment_seconds: float = _knob(1.0, "length of the segments, where detections are judged by segments", "s", gt=0)
    joining: Literal["none", "product", "mean", "least"] = _knob(
        "none", "how the scores of held-out clips join those of frames: the clip knows whether, the frame knows when"
    )
    refine: bool = _knob(False, "with joining: do ends of detections lie where the frames alone cross the threshold?")
    ensemble: list[str] = _knob([], "folders of trained detectors whose scores join this one's")
    ensemble_by: Literal["mean", "power", "rank"] = _knob("mean", "mean score, power mean, or mean rank")
    ensemble_power: float = _knob(2.0, "of the power mean: the higher, the more the surest detector counts", gt=0)


@dataclass(frozen=True, config=_STRICT)
class Matching:
    """When a detection has found a call."""

    match_by: Literal["overlap", "collar"] = _knob("overlap", "by shared time, or by how near both ends lie")
    match_iou: float = _knob(0.3, "overlap: shared over joint time that makes a detection a hit", ge=0, le=1)
    collar_seconds: float = _knob(0.2, "collar: how far its beginning and its end may lie off", "s", ge=0)
    collar_share: float = _knob(0.5, "collar: share of the call's length that its end may, where that is more", ge=0)
    collar_edges: Literal["both", "onset"] = _knob("both", "collar: beginning and end, or the beginning alone")


@dataclass(frozen=True, config=_STRICT)
class Writing:
    """What a notebook leaves behind for other programs."""

    write_as: list[str] = _knob(
        ["raven", "raven_all", "csv"], "of raven, raven_all (one over all), audacity, csv, parquet, noaa", signed=False
    )


@dataclass(frozen=True, config=_STRICT)
class Activity:
    """Which stretches of long, mostly empty recordings are worth looking at (`whalelib crop`)."""

    activity_db: float = _knob(
        6.0, "a moment counts that stands so far above its band's noise floor", "dB", signed=False
    )
    activity_score: float = _knob(
        0.1, "by a detector: a moment counts whose score reaches this", signed=False, ge=0, le=1
    )
    activity_step_seconds: float = _knob(0.25, "length of a moment", "s", signed=False, gt=0)
    margin_seconds: float = _knob(2.0, "what is kept before and after it", "s", signed=False, ge=0)
    floor_seconds: float = _knob(
        60.0, "how much around a moment its noise floor is taken from", "s", signed=False, gt=0
    )
    floor_share: float = _knob(0.3, "share of that time in which a band is below its floor", signed=False, ge=0, le=1)


SECTIONS: dict[str, type] = {
    "ocean": Ocean, "reading": Reading, "data": Data, "features": Features, "augment": Augment, "model": Model,
    "train": Train, "objective": Objective, "sampling": Sampling, "pseudo": Pseudo,
    "transcripts": Transcripts, "transcriber": Transcriber, "tracking": Tracking, "scan": Scan, "post": Post,
    "deciding": Deciding, "matching": Matching, "writing": Writing, "activity": Activity,
}  # fmt: skip

# What each product of the pipeline depends on: sections, or a single knob of one. Its signature hashes exactly these.
_SURVEY = ("ocean", "reading")
_FITTED = (*_SURVEY, "data", "features", "augment", "model", "train", "objective", "sampling", "pseudo")
_TAUGHT = (
    "transcripts", "transcriber", "train", "scan.merged_classes", "model.speed",
    "model.lora_rank", "model.lora_alpha", "model.lora_dropout",
)  # fmt: skip
PRODUCTS: dict[str, tuple[str, ...]] = {
    "ocean": ("ocean",),
    "clips": (*_SURVEY, "data"),
    "features": (*_SURVEY, "data", "features"),
    "detector": _FITTED,
    "transcripts": (*_SURVEY, "data", "transcripts", "scan.merged_classes", "model.speed"),
    "transcriber": (*_SURVEY, "data", *_TAUGHT),
    "scores": (*_FITTED, "scan"),
    "detections": (*_FITTED, "scan", "post", "deciding", "matching"),
    # Transcripts are judged beside the detections of a detector of the same knobs.
    "transcription": (*_FITTED, "scan", "post", "deciding", "matching", "transcripts", "transcriber"),
}
