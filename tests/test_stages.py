"""The products of a configuration: the right one for the knobs, made once, found again; defaults written once."""

import inspect
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from whalelib import (
    activity,
    clips,
    config,
    ensembles,
    features,
    likeness,
    losses,
    metrics,
    models,
    post,
    predict,
    pseudo,
    samplers,
    sources,
    stages,
    synth,
    train,
)
from whalelib.errors import InputError

TAKES_KNOBS = [
    synth.ocean,
    sources.synthetic.synthetic,
    clips.split,
    clips.cut,
    likeness.near_equal,
    features.Spectrogram,
    models.Detector,
    train.Recipe,
    train.fit,
    losses.Objective,
    samplers.sampler,
    pseudo.fill,
    pseudo.fit_in_rounds,
    predict.scan,
    predict.score_recordings,
    post.detect,
    post.choose_thresholds,
    post.decide,
    metrics.rule,
    activity.active,
    activity.excess,
    activity.heard_by,
    activity.trade,
    activity.levels,
]


@pytest.mark.parametrize("function", TAKES_KNOBS, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_a_functions_defaults_are_the_knobs_defaults(function):
    knobs = {**config.resolve().flat(), "seed": 0}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name in knobs and parameter.default is not inspect.Parameter.empty
    }
    assert defaults, "this function takes no knob"
    assert defaults == {name: knobs[name] for name in defaults}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def tiny():
    return {"ocean_days": 3, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "epochs": 1, "clips_per_call": 1}


def raven_folder(tiny, folder):
    """The tiny ocean as a folder of recordings and selection tables, as a user would have it."""
    synth.ocean(folder / "made", **{k: v for k, v in tiny.items() if k.startswith("ocean")})
    for part in ("audio", "raven"):
        shutil.copytree(folder / "made" / part, folder / "own" / part)
    return {**{k: v for k, v in tiny.items() if not k.startswith("ocean")}, "source": "raven", "exhaustive": True,
            "data_path": str(folder / "own")}  # fmt: skip


def test_the_whole_path_by_hand(here, tiny):
    knobs = config.resolve(tiny)
    parts = stages.split(knobs)
    assert set(parts.folds) == {"train", "validation", "test"}
    assert stages.fit(knobs, parts, progress=False).best_epoch == 1
    detections, scores, thresholds = stages.detections(knobs, parts)
    assert set(scores["recording"]) == set(parts.recordings("test")["recording"])
    assert set(detections["recording"]) <= set(scores["recording"])
    assert set(thresholds) == set(parts.classes)
    table = stages.held_out(knobs, parts)
    assert ensembles.classes_of(table) == parts.classes
    assert set(table["recording"]) == set(parts.recordings("test")["recording"])
    assert ensembles.report(table)["clips"].iloc[-1] == len(table)


def test_exclusive_classes_are_trained_by_the_knob_of_the_loss(here, tiny):
    knobs = config.resolve({**tiny, "loss": "softmax", "sampler": "root", "center_weight": 0.01})
    parts = stages.split(knobs)
    assert stages.fit(knobs, parts, progress=False).detector.exclusive
    assert not stages.fresh_detector(config.resolve(tiny), parts.classes).exclusive


def test_a_threshold_that_is_given_is_used(here, tiny):
    knobs = config.resolve({**tiny, "threshold": 0.9})
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    _, _, thresholds = stages.detections(knobs, parts)
    assert set(thresholds.values()) == {0.9}


def test_calibration_ensemble_and_report_by_knobs(here, tiny):
    knobs = config.resolve(tiny)
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    (folder,) = (str(path) for path in (here / "cache").glob("detector-*"))
    own, _ = stages.scan(knobs, parts, "test")
    same = stages.scores_together(config.resolve({**tiny, "ensemble": [folder]}), parts, "test")
    pd.testing.assert_frame_equal(same, own)  # a detector and itself are of one mind
    knobs = config.resolve({**tiny, "calibration": "platt", "threshold": 0.5, "match_by": "collar"})
    decided = stages.decide(knobs, parts)
    found, scores, thresholds = stages.detections(knobs, parts)
    pd.testing.assert_frame_equal(scores, decided.calibrated(own))
    assert decided.thresholds == thresholds == dict.fromkeys(parts.calls, 0.5)
    report = stages.event_report(knobs, parts, found, scores)
    assert report["class"].tolist() == [*parts.calls, "all", "mean"] and "f1_low" in report
    curve = stages.detection_curve(knobs, parts, scores)
    at_half = curve[curve["threshold"] == 0.5].set_index("class")["hits"]
    assert at_half.to_dict() == report.set_index("class").loc[parts.calls, "hits"].to_dict()


def test_clips_join_frames_and_frames_give_the_ends(here, tiny):
    knobs = config.resolve({**tiny, "threshold": 0.3})
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    frames, clip = stages.frame_scores(knobs, parts, "test"), stages.clip_scores(knobs, parts, "test")
    pd.testing.assert_frame_equal(stages.scores_together(knobs, parts, "test"), frames)
    joined = config.resolve({**knobs.flat(), "joining": "least"})
    found, scores, _ = stages.detections(joined, parts)
    pd.testing.assert_frame_equal(scores, post.join(frames, clip, "least"))
    assert scores[parts.classes].notna().all(axis=None)  # held-out clips leave no moment out
    refined, *_ = stages.detections(config.resolve({**joined.flat(), "refine": True}), parts)
    expected = post.refine(found, frames, dict.fromkeys(parts.classes, 0.3))
    pd.testing.assert_frame_equal(refined, expected)


def test_what_the_fifth_notebook_asks(here, tiny):
    knobs = config.resolve({**tiny, "calibration": "platt", "activity_db": 3.0})
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    found, scores, _ = stages.detections(knobs, parts)
    table = stages.ablation(knobs, parts)
    report = stages.event_report(knobs, parts, found, scores).set_index("class")
    assert table["f1"].iloc[0] == pytest.approx(report.loc["all", "f1"], nan_ok=True)
    assert table["way"].iloc[-1] == "without calibration" and table["f1_change"].iloc[0] in (0, np.nan)
    swept = stages.swept(knobs, parts, scores)
    rates = stages.at_rates(knobs, parts, scores, swept).set_index("class")
    curve = stages.detection_curve(knobs, parts, scores, swept)
    best = metrics.recall_at(curve, knobs.aim_rate).set_index("class")["recall"]
    assert rates["recall"].to_dict() == pytest.approx(best.to_dict(), nan_ok=True)
    by_hour, estimate = stages.counts(knobs, parts, found, scores)
    assert by_hour["calls"].sum() == len(found) and estimate["detections"].sum() == len(found)
    judged = metrics.judge(parts.events("test"), found, stages.rule(knobs))
    by_what = stages.false_rates(knobs, parts, judged, scores)
    wrong = judged[judged["verdict"] == "false"]
    assert by_what[by_what["by"] == "group"]["false"].sum() == len(wrong)
    assert {"group", "hour", "loudness"} <= set(by_what["by"])
    alike = stages.look_alikes(knobs, parts, wrong.head(3), most=2)
    assert len(alike) == 2 * min(len(wrong), 3)
    assert set(alike["recording"]) <= set(parts.recordings("train")["recording"])
    trade = stages.activity_trade(knobs, parts, "test")
    assert trade[trade["activity_db"] == 0].query("`class` == 'all'")["recall"].iloc[0] > 0.9
    segments = stages.segment_report(knobs, parts, found, scores).set_index("class")
    assert segments.loc["all", "segments"] <= len(parts.calls) * np.ceil(parts.hours("test") * 3600 + len(parts.folds))


def test_recordings_may_be_split_alone(here, tiny):
    knobs = config.resolve({**tiny, "split_by": "recording"})
    survey = stages.survey(knobs)
    assert (survey.recordings["group"] == survey.recordings["recording"]).all()
    days = stages.survey(config.resolve(tiny)).recordings["group"]
    assert days.nunique() < survey.recordings["group"].nunique()


def test_without_a_trained_detector_the_way_is_shown(here, tiny):
    knobs = config.resolve(tiny)
    with pytest.raises(InputError, match="run notebook 03"):
        stages.trained(knobs, stages.split(knobs))


def test_products_are_shared_by_runs_that_differ_later(here, tiny):
    """Seeds and thresholds do not cut the clips again; another clip length does."""

    def stores():
        return sorted(path.name for path in (here / "cache").glob("clips-*"))

    for change, count in (({}, 1), ({"seed": 1}, 1), ({"min_seconds": 0.5}, 1), ({"clip_seconds": 2.0}, 2)):
        knobs = config.resolve({**tiny, **change})
        stages.store(knobs, stages.split(knobs))
        assert len(stores()) == count, change


def test_two_folders_with_the_same_knobs_are_two_data_sets_and_a_moved_one_is_the_same(here, tiny, tmp_path):
    values = raven_folder(tiny, tmp_path)
    knobs = config.resolve(values)
    first = stages.store(knobs, stages.split(knobs)).folder
    moved = config.resolve({**values, "data_path": str(shutil.move(values["data_path"], tmp_path / "moved"))})
    assert stages.store(moved, stages.split(moved)).folder == first
    table = sorted((tmp_path / "moved" / "raven").glob("*.txt"))[0]
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))  # one annotation less
    other = stages.store(moved, stages.split(moved)).folder
    assert other != first


def test_a_source_that_needs_a_folder_says_so(here):
    with pytest.raises(InputError, match="needs data_path"):
        stages.survey(config.resolve({"source": "raven"}))


def test_classes_come_from_training_days(here, tiny):
    knobs = config.resolve({**tiny, "classes": ["blue_whale_dcall"]})
    parts = stages.split(knobs)
    assert parts.classes == ["blue_whale_dcall"]
    assert set(parts.events("train", "validation", "test")["label"]) == {"blue_whale_dcall"}
    assert stages.fresh_detector(knobs, parts.classes).classes == ["blue_whale_dcall"]


# ---------------------------------------------------------------- copies


@pytest.fixture
def with_a_copy(here, tiny, tmp_path):
    """The ocean's folder, and a recording of another day that is the first one later, fainter and in another format."""
    values = raven_folder({**tiny, "ocean_days": 4}, tmp_path)
    first = sorted((tmp_path / "own" / "audio").glob("*.wav"))[0]
    copy = first.with_name("SITEA_20090501_000000.flac")
    samples, rate = soundfile.read(first)
    soundfile.write(copy, 0.5 * samples[rate:], rate)
    table = tmp_path / "own" / "raven" / f"{first.stem}.selections.txt"
    header = table.read_text().splitlines(keepends=True)[0]
    table.with_name(f"{copy.stem}.selections.txt").write_text(header)
    return values, first.stem, copy.stem


def test_a_copy_is_never_on_both_sides(with_a_copy):
    values, first, copy = with_a_copy
    for seed in range(4):
        parts = stages.split(config.resolve({**values, "split_seed": seed}))
        assert parts.folds[first] == parts.folds[copy]
        clips.check_leakage(parts.clips, parts.survey.recordings)
    groups = parts.survey.recordings.set_index("recording")["group"]
    assert groups[first] == groups[copy]
    for join in ("equal", "none"):
        knobs = config.resolve({**values, "join_copies": join})
        groups = stages.split(knobs).survey.recordings.set_index("recording")["group"]
        assert groups[first] != groups[copy]


def test_equal_files_that_the_knobs_leave_apart_are_counted(here, tiny, tmp_path):
    values = raven_folder({**tiny, "ocean_days": 4}, tmp_path)
    whole = stages.split(config.resolve({**values, "join_copies": "none"}))
    assert not any("equal files" in problem for problem in whole.survey.problems)
    # One sound under the names of a training and of a test recording.
    one, other = (whole.recordings(fold)["path"].iloc[0] for fold in ("train", "test"))
    shutil.copyfile(one, other)
    parts = stages.split(config.resolve({**values, "join_copies": "none"}))
    (said,) = (problem for problem in parts.survey.problems if "equal files" in problem)
    assert said.startswith("pairs of equal files that the split has parted: 1, such as")
    assert all(path.rsplit("/", 1)[-1].removesuffix(".wav") in said for path in (one, other))
    joined = stages.split(config.resolve({**values, "join_copies": "equal"}))
    assert not any("equal files" in problem for problem in joined.survey.problems)


def test_the_doctor_and_the_split_name_the_same_copies(with_a_copy):
    values, first, copy = with_a_copy
    knobs = config.resolve(values)
    found = stages.survey(knobs)
    assert {frozenset(pair) for pair in stages.copies(knobs, found).names()} == {frozenset((first, copy))}
    (finding,) = [f for f in stages.examine(knobs, found) if f.code == "similar-audio-across-groups"]
    assert {*finding.rows.iloc[0][["recording", "other"]]} == {first, copy}


# ---------------------------------------------------------------- choices of clips


def test_each_recording_validates_in_one_run_of_a_cross_validation(here, tiny):
    values = {**tiny, "ocean_days": 7, "n_folds": 3}
    splits = [stages.split(config.resolve({**values, "validation_fold": fold})) for fold in range(3)]
    folds = pd.DataFrame({k: parts.folds for k, parts in enumerate(splits)})
    tested = (folds == "test").any(axis=1)
    assert tested.any() and (folds[tested] == "test").all().all()
    assert ((folds[~tested] == "validation").sum(axis=1) == 1).all()
    group = splits[0].survey.recordings.set_index("recording")["group"]
    assert (folds.groupby(group).nunique() == 1).all().all()


def test_the_commonest_kind_is_thinned_out(here, tiny):
    many = stages.split(config.resolve({**tiny, "negatives": 4.0}))
    few = stages.split(config.resolve({**tiny, "negatives": 4.0, "majority_ratio": 0.5}))

    def empty(parts):
        return int((parts.clips.loc[parts.clips["fold"] == "train", parts.classes] == 0).all(axis=1).sum())

    assert 0 < empty(few) < empty(many)
    assert (few.clips["fold"] == "test").sum() == (many.clips["fold"] == "test").sum()


def test_noise_as_a_class_is_learnt_and_never_detected(here, tiny):
    knobs = config.resolve({**tiny, "noise_class": True})
    parts = stages.split(knobs)
    assert parts.classes[-1] == "noise" and "noise" not in parts.calls
    assert stages.fit(knobs, parts, progress=False).detector.classes == parts.classes
    detections, _, thresholds = stages.detections(knobs, parts)
    assert set(thresholds) == set(parts.calls) and "noise" not in set(detections["label"])


def test_hard_negatives_come_from_a_detector_that_has_seen_none(here, tiny):
    plain, hard = config.resolve(tiny), config.resolve({**tiny, "hard_share": 1.0})
    easy, parts = stages.split(plain), stages.split(hard)
    pd.testing.assert_series_equal(parts.folds, easy.folds)
    rows = parts.clips[(parts.clips["fold"] == "train") & (parts.clips[parts.classes] == 0).all(axis=1)]
    where = stages.products._first_scores(hard, stages.survey(hard))
    top = where.set_index(["recording", "onset"])[parts.classes].max(axis=1)

    def heard(clips):
        """The mean over clips of the highest score in them."""
        inside = [top[clip.recording].loc[clip.onset : clip.onset + clip.seconds].max() for clip in clips.itertuples()]
        return np.mean(inside)

    before = easy.clips[(easy.clips["fold"] == "train") & (easy.clips[easy.classes] == 0).all(axis=1)]
    assert len(rows) and heard(rows) > heard(before)
    # Another first detector chooses other clips, so it makes another store; at no hard share it does not count.
    other = config.resolve({**tiny, "hard_share": 1.0, "width": 8})
    assert config.signature(other, "clips") != config.signature(hard, "clips")
    assert config.signature(config.resolve({**tiny, "width": 8}), "clips") == config.signature(plain, "clips")
    assert stages.store(hard, parts).folder != stages.store(plain, easy).folder


# ---------------------------------------------------------------- a store alone


@pytest.fixture
def alone(here, tiny, tmp_path):
    """A store of a folder of recordings, moved to where nothing else is, and the split it was made from."""
    values = {**raven_folder(tiny, tmp_path), "clip_seconds": 2.0}
    (tmp_path / "own" / "audio" / "SITEA_20090401_000000.wav").write_bytes(b"no sound")
    knobs = config.resolve(values)
    parts = stages.split(knobs)
    stages.store(knobs, parts).folder.rename(tmp_path / "carried")
    shutil.rmtree(tmp_path / "own")
    return knobs, parts, str(tmp_path / "carried")


def test_a_store_alone_is_trained_from_by_one_knob(alone, tiny):
    """Classes, folds, knobs and what was left out come with it; the detector is the one the recordings would give."""
    before, parts, folder = alone
    learning = {name: tiny[name] for name in ("width", "epochs")}
    knobs = config.resolve({**learning, "store_path": folder})
    assert knobs.clip_seconds == 2.0 and knobs.source == "raven"
    found = stages.split(knobs)
    assert found.classes == parts.classes and found.survey.problems == parts.survey.problems
    pd.testing.assert_series_equal(found.folds, parts.folds, check_names=False)
    assert found.survey.fingerprint() == parts.survey.fingerprint()
    assert found.hours("test") == pytest.approx(parts.hours("test"))
    fitted = stages.fit(knobs, found, progress=False)
    assert fitted.best_epoch == 1
    again = config.resolve({**before.flat(), **learning})
    assert stages.trained(again, parts).seconds == fitted.seconds
    with pytest.raises(InputError, match="a clip store holds no whole recordings"):
        stages.scan(knobs, found, "test")


def test_knobs_that_a_store_was_not_cut_with_are_a_sentence(alone, tmp_path):
    _, _, folder = alone
    says = f"clip_seconds is 3.0, but the clips in {folder} were cut with 2.0: set it to that or leave it out"
    with pytest.raises(InputError, match=says):
        config.resolve({"store_path": folder, "clip_seconds": 3.0})
    assert config.resolve({"store_path": folder, "clip_seconds": 2, "n_mels": 32}).n_mels == 32
    for path, says in (
        (str(tmp_path), "holds no finished store"),
        ("s3://sea/clips", "fetch it first with `whalelib store fetch s3://sea/clips FOLDER`"),
    ):
        with pytest.raises(InputError, match=says):
            config.resolve({"store_path": path})


def test_the_folder_of_a_store_may_be_a_variable(alone, monkeypatch):
    _, parts, folder = alone
    monkeypatch.setenv("MY_STORE", folder)
    knobs = config.resolve({"store_path": "$MY_STORE"})
    assert len(stages.split(knobs).clips) == len(parts.clips)


def test_at_a_speed_the_knobs_are_those_of_what_the_network_hears_and_the_doctor_sees_the_recordings(here, tiny):
    fast = {"window_seconds": 0.032, "hop_seconds": 0.004, "band_low_hz": 80.0, "band_high_hz": 7600.0,
            "mel_break_hz": 800.0}  # fmt: skip
    with pytest.raises(InputError, match=r"band_high_hz 7600 Hz lies above.*raise sample_rate or speed"):
        config.resolve({**tiny, **fast})
    knobs = config.resolve({**tiny, **fast, "speed": 8.0})
    plain = config.resolve(tiny)  # the same window and band, in the recording's own seconds and Hz
    found = stages.survey(knobs)
    said = [[(f.code, f.what, f.mend) for f in stages.examine(k, found)] for k in (knobs, plain)]
    assert said[0] == said[1]
    detector, slow = (stages.fresh_detector(k, ["a"]) for k in (knobs, plain))
    assert (detector.frames, detector.frame_seconds) == (slow.frames, slow.frame_seconds)


def test_what_is_frozen_is_said_when_training_begins(here, tiny, capsys):
    knobs = config.resolve({**tiny, "freeze": "all"})
    parts = stages.split(knobs)
    fitted = stages.fit(knobs, parts, progress=False)
    assert "parameters learn" in capsys.readouterr().out
    fresh = stages.fresh_detector(knobs, parts.classes)
    for a, b in zip(fitted.detector.network.parameters(), fresh.network.parameters(), strict=True):
        assert a.equal(b)


def test_what_a_card_is_told_is_that_of_the_run(here, tiny):
    from whalelib import experiment

    knobs = config.resolve({**tiny, "n_mels": 32})
    parts = stages.split(knobs)
    experiment.record(here / "run", "train", knobs, test_ap=0.75, left_out=["a file"])
    experiment.record(here / "run", "postprocess", knobs, false_per_hour=2.0)
    told = stages.facts(knobs, parts, here / "run")
    assert told["values"] == {"test_ap": 0.75, "false_per_hour": 2.0}
    assert told["band"] == (knobs.band_low_hz, knobs.band_high_hz)
    for change, band in (
        ({"speed": 2.0, "band_high_hz": 1800.0, "clip_seconds": 4.0}, (5.0, 900.0)),
        ({"front_end": "dclde"}, (39.0, 358.0)),
        ({"front_end": "ast", "model": "ast", "speed": 8.0}, (0.0, 1000.0)),
    ):
        assert stages.facts(config.resolve({**knobs.flat(), **change}), parts, here / "run")["band"] == band
    assert told["features"]["n_mels"] == 32
    groups = [group for fold in told["folds"].values() for group in fold["groups"]]
    assert sorted(groups) == sorted(set(parts.survey.recordings["group"]))  # each day in one fold
    assert sum(fold["recordings"] for fold in told["folds"].values()) == len(parts.survey.recordings)


def test_a_run_is_taken_to_other_recordings_with_its_own_thresholds(here, tiny):
    knobs = config.resolve({**tiny, "calibration": "platt", "hysteresis": 0.1})
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    run = here / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(knobs.flat()))
    listener = stages.listener(str(run), {})
    assert listener.decided.thresholds == stages.decide(knobs, parts).thresholds
    assert listener.steps["hysteresis"] == 0.1 and listener.how["scan_hop_seconds"] == knobs.scan_hop_seconds
    assert set(listener.bands.index) <= set(parts.classes)
    # On the run's own test days it finds what the run finds.
    recordings = parts.recordings("test")
    receipt = predict.scan(listener.detector, recordings, here / "scores", progress=False, **listener.how)
    found = predict.detections(
        here / "scores", recordings, receipt, listener.decided, bands=listener.bands, **listener.steps
    )
    expected, _, _ = stages.detections(knobs, parts)
    columns = ["recording", "onset", "offset", "label", "score", "low_hz"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    assert set(stages.listener(str(run), {"threshold": 0.9}).decided.thresholds.values()) == {0.9}
    with pytest.raises(InputError, match="holds no detector"):
        stages.listener(str(here), {"threshold": 0.5})
