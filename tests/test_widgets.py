"""What is turned in a notebook is drawn anew, under the names of the knobs; what is heard says how much faster."""

import ast
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile

from whalelib import config, post, stages, tables, widgets
from whalelib.errors import InputError
from whalelib.widgets import panel, picturing, thresholds

pytestmark = pytest.mark.filterwarnings("ignore:.*non-interactive:UserWarning")


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What was displayed, in its order; at the end no figure is left open that a cell would show once more."""
    things = []
    monkeypatch.setattr("IPython.display.display", lambda *given: things.extend(given))
    yield things
    plt.close("all")


@pytest.fixture
def screen(shown):
    """What is on the panel that was displayed last: its picture, table, words and sound."""
    return lambda: dict(zip(("picture", "table", "words", "sound"), shown[-1].children[1:], strict=True))


# The panel


def made(**values):
    return lambda: {name: panel.control(name, value, (0.0, 1.0, 0.01)) for name, value in values.items()}


def square(values):
    """A figure as wide in pixels as the value says, with words."""
    return widgets.Seen(plt.figure(figsize=(values["dropout"] * 10, 1), dpi=100), f"<b>{values['dropout']:.1f}</b>")


def test_a_panel_draws_once_and_again_when_something_is_moved(shown, screen):
    turning = widgets.turned(square, {"dropout": 0.2}, made(dropout=0.2))
    assert len(shown) == 1 and plt.get_fignums() == []
    before = screen()["picture"].value
    assert before[:3] == b"\xff\xd8\xff"  # a JPEG
    turning.controls["dropout"].value = 0.7
    assert turning.figure.get_size_inches()[0] == pytest.approx(7)
    assert screen()["picture"].value != before
    assert "&lt;b&gt;0.7&lt;/b&gt;" in screen()["words"].value  # text is nothing but text
    assert screen()["sound"].layout.display == "none"


def test_in_a_batch_the_picture_is_drawn_and_nothing_can_be_moved(shown, capsys):
    turning = widgets.turned(square, {"dropout": 0.2}, pytest.fail, live=False)
    assert turning.figure.get_size_inches()[0] == pytest.approx(2)
    assert turning.controls == {} and shown == []
    assert capsys.readouterr().out == "<b>0.2</b>\n"


def test_what_cannot_be_drawn_is_a_sentence_and_the_slider_can_be_moved_back(screen):
    def draw(values):
        if values["dropout"] > 0.5:
            raise InputError("dropout is too high: lower it.")
        return square(values)

    turning = widgets.turned(draw, {"dropout": 0.2}, made(dropout=0.2))
    before = screen()["picture"].value
    turning.controls["dropout"].value = 0.9
    assert "dropout is too high: lower it." in screen()["words"].value
    assert screen()["picture"].value == before
    turning.controls["dropout"].value = 0.3
    assert "0.3" in screen()["words"].value and "too high" not in screen()["words"].value


@pytest.mark.parametrize("name", ["pcen_trainable", "compress", "n_mels", "window_seconds"])
def test_a_control_is_called_what_the_knob_is_called_and_starts_where_it_stands(name):
    knob = {knob.name: knob for knob in config.knobs()}[name]
    control = widgets.control(name, knob.default, (0.1, 0.2, 0.1))  # a span that need not hold it
    assert (control.description, control.tooltip) == (name, knob.says)
    assert control.value == knob.default


@pytest.mark.parametrize(
    ("section", "name", "span"),
    [
        *(("features", *item) for item in picturing.spans(1000.0).items()),
        *(("features", *item) for item in picturing.spans(48000.0).items()),
        *(("post", *item) for item in thresholds.SPANS.items()),
    ],
)
def test_both_ends_of_every_slider_are_on_the_page_of_knobs(section, name, span):
    low, high, step = span
    assert low < high and step < high - low
    whole = {knob.name: knob.type for knob in config.knobs()}[name] == "whole number"
    for end in (low, high):
        config.SECTIONS[section](**{name: int(end) if whole else end})


def test_what_was_turned_can_be_pasted_into_the_parameters_cell():
    before = {"merge_seconds": 0.25, "class_thresholds": {"a": 0.5}, "compress": "db"}
    said = panel.to_keep({"merge_seconds": 0.5, "class_thresholds": {"a": 0.7}, "compress": "db"}, before)
    names = {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(said).body}
    assert names == {"merge_seconds": 0.5, "class_thresholds": {"a": 0.7}}
    assert all(line.count("=") == 1 for line in said.splitlines()[1:])
    assert panel.to_keep(before, before) == ""


# The front end


@pytest.fixture(scope="module")
def clips(small_store):
    import torch

    return torch.from_numpy(small_store.batch("train", range(4))["waveform"])


def images(turning):
    return [ax.images[0].get_array() for ax in turning.figure.axes if ax.images]


def test_the_pictures_follow_the_front_ends_knobs(small_config, small_store, clips, screen):
    turning = widgets.front_end(small_config, small_store, clips, ["a", "b"])
    assert set(turning.controls) <= set(config.resolve().flat(["features"]))
    expected = stages.front_end(small_config, small_store)(clips)[:, 0].numpy()
    np.testing.assert_allclose(np.stack(images(turning)), expected, rtol=1e-5)

    turning.controls["n_mels"].value = 16
    assert {len(image) for image in images(turning)} == {16}
    frames = images(turning)[0].shape[1]
    turning.controls["hop_seconds"].value = 0.064
    assert abs(images(turning)[0].shape[1] - frames / 2) <= 1
    said = screen()["words"].value
    assert "n_mels = 16" in said and "hop_seconds = 0.064" in said and "rows 16" in said

    turning.controls["band_low_hz"].value = 500.0
    before = turning.figure
    turning.controls["band_high_hz"].value = 400.0
    assert "band_low_hz 500 Hz is not below band_high_hz 400 Hz" in screen()["words"].value
    assert turning.figure is before


@pytest.mark.parametrize("kind", ["linear", "mfcc", "mel+mfcc", "waveform"])
def test_every_kind_of_front_end_can_be_drawn(small_config, small_store, clips, kind):
    knobs = config.resolve({**small_config.flat(), "front_end": kind})
    drawn = widgets.front_end(knobs, small_store, clips, ["a", "b", "c"], live=False)
    assert len(images(drawn)) == 4


# Thresholds and steps


@pytest.fixture(scope="module")
def parts(small_config, small_ocean):
    return stages.split(config.resolve({**small_config.flat(), "join_copies": "none"}), small_ocean)


@pytest.fixture(scope="module")
def scores(parts):
    """Scores of 0.8 where a call of the class is, 0.1 elsewhere, in cells of a tenth of a second."""
    rows = []
    truth = parts.events("test")
    for rec in parts.recordings("test").itertuples():
        onset = np.arange(0, rec.seconds - 0.05, 0.1)
        cells = pd.DataFrame({"recording": rec.recording, "onset": onset, "offset": onset + 0.1})
        for name in parts.classes:
            calls = truth[(truth["recording"] == rec.recording) & (truth["label"] == name)]
            inside = [((calls["onset"] < at + 0.1) & (calls["offset"] > at)).any() for at in onset]
            cells[name] = np.where(inside, 0.8, 0.1).astype("float32")
        rows.append(cells)
    return tables.check_scores(pd.concat(rows, ignore_index=True), parts.classes)


def boxed(turning, row):
    return len(turning.figure.axes[row].patches)


def test_detections_follow_thresholds_and_merging_without_another_scan(small_config, parts, scores):
    view = widgets.busiest(parts.recordings("test"), parts.events("test"), small_config.sample_rate)
    levels = dict.fromkeys(parts.calls, 0.5)
    turning = widgets.deciding(small_config, parts, scores, levels, view)
    assert set(turning.controls) == {*thresholds.SPANS, *parts.calls}

    def expected(levels, **steps):
        found = post.detect(scores, levels, **{**config.section_of(small_config, "post"), **steps})
        near = (found["recording"] == view.recording) & (found["offset"] > view.onset) & (found["onset"] < view.offset)
        return int(near.sum())

    assert boxed(turning, 1) == expected(levels) > 2
    annotated = boxed(turning, 0)
    quiet = {**levels, parts.calls[0]: 0.9}
    turning.controls[parts.calls[0]].value = 0.9
    assert boxed(turning, 1) == expected(quiet)
    turning.controls["merge_seconds"].value = 5.0
    assert boxed(turning, 1) == expected(quiet, merge_seconds=5.0) < expected(levels)
    assert boxed(turning, 0) == annotated
    said = turning.seen.words
    assert "merge_seconds = 5.0" in said and f"'{parts.calls[0]}': 0.9" in said
    report = turning.seen.table.data.set_index("class")
    assert report.loc[parts.calls[0], "hits"] == 0 < report.loc["all", "hits"]


def test_many_classes_leave_sliders_to_those_in_the_picture(small_config, parts, scores, monkeypatch):
    monkeypatch.setattr(thresholds, "_MOST", 1)
    view = widgets.busiest(parts.recordings("test"), parts.events("test"), small_config.sample_rate, seconds=2.0)
    turning = widgets.deciding(small_config, parts, scores, dict.fromkeys(parts.calls, 0.5), view)
    truth = parts.events("test")
    assert set(truth["label"]) >= set(turning.controls) - set(thresholds.SPANS) != set()


# Leafing


def test_the_busiest_stretch_is_that_of_a_slow_count(small_ocean):
    recordings, events = small_ocean.recordings, small_ocean.events
    view = widgets.busiest(recordings, events, 2000, seconds=10.0)
    counts = {}
    for event in events.itertuples():
        key = event.recording, event.onset // 10
        counts[key] = counts.get(key, 0) + (event.truth != "absent")
    assert counts[view.recording, view.onset // 10] == max(counts.values())
    assert len(view.sound) == 20_000
    empty = widgets.busiest(recordings, events.iloc[:0], 2000)
    assert (empty.recording, empty.onset) == (recordings["recording"][0], 0.0)
    with pytest.raises(InputError, match="no recording to look at"):
        widgets.busiest(recordings.iloc[:0], events, 2000)


def test_leafing_shows_and_plays_what_was_chosen(small_ocean, screen):
    recordings, events = small_ocean.recordings, small_ocean.events
    how = {"colour": {}, "sample_rate": 2000, "band": (10.0, 950.0)}
    turning = widgets.leafing(recordings, events, **how)
    ends = turning.controls["recording"].options
    assert list(events["recording"].value_counts().loc[list(ends)]) == sorted(events["recording"].value_counts())[::-1]
    turning.controls["recording"].value = ends[-1]
    turning.controls["from_seconds"].value = 20.0
    (ax,) = turning.figure.axes
    assert ax.get_title(loc="left") == ends[-1]
    assert ax.get_xlim() == pytest.approx((20.0, 50.0))
    near = events[(events["recording"] == ends[-1]) & (events["offset"] > 20.0) & (events["onset"] < 50.0)]
    assert len(ax.patches) == len(near)
    sound, rate = soundfile.read(io.BytesIO(screen()["sound"].value))
    assert len(sound) / rate == pytest.approx(30.0 / 4, abs=0.01)
    assert "20.0 to 50.0 s, played 4 times as fast" in screen()["words"].value


def test_what_was_told_of_a_stretch_lies_under_it_a_lane_a_class(small_ocean):
    recordings, events = small_ocean.recordings, small_ocean.events
    colour = {name: f"C{k}" for k, name in enumerate(sorted(events["label"].unique()))}
    how = {"colour": colour, "sample_rate": 2000, "band": (10.0, 950.0), "live": False}
    turning = widgets.leafing(recordings, events, told=events, **how)
    below = turning.figure.axes[1]
    view = widgets.busiest(recordings, events, 2000)
    near = events[(events["recording"] == view.recording) & (events["onset"] < view.offset)]
    near = near[near["offset"] > view.onset]
    assert [len(lane.get_paths()) for lane in below.collections] == [
        int((near["label"] == name).sum()) for name in colour
    ]
    assert below.get_xlim() == (view.onset, view.offset)
    told = turning.seen.words.splitlines()[-1]
    assert told.startswith("told: ") and told.count(" s ") == len(near)


# Sound


@pytest.mark.parametrize(("band", "speed"), [((10.0, 950.0), 4), ((15.0, 30.0), 16), ((0.0, 20000.0), 1)])
def test_sound_is_played_so_fast_that_its_band_is_heard_and_says_so(shown, capsys, band, speed):
    time = np.arange(2000) / 1000
    widgets.listen(np.sin(2 * np.pi * 50 * time), 1000, band, onset=3.0)
    sound, rate = soundfile.read(io.BytesIO(shown[0].data))
    assert np.argmax(np.abs(np.fft.rfft(sound))) * rate / len(sound) == pytest.approx(50 * speed, rel=0.02)
    said = capsys.readouterr().out
    assert said.startswith("3.0 to 5.0 s")
    assert (f"{speed} times as fast" in said) == (speed > 1)


def test_sound_that_may_not_be_kept_is_left_out(shown, capsys):
    widgets.listen(np.zeros(100), 1000, (10.0, 500.0), keep=False)
    assert shown == [] and "keep_sound" in capsys.readouterr().out
    widgets.listen(np.zeros(0), 1000, (10.0, 500.0))  # nothing to hear is no error
    assert len(shown) == 1
