"""Figures draw what they are given, whatever is missing from it; sliders call again."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from whalelib import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_sliders_draw_once_and_again_when_they_are_moved(monkeypatch):
    shown, calls = [], []
    monkeypatch.setattr("IPython.display.display", lambda *things: shown.extend(things))
    plots.slide(lambda **levels: calls.append(levels), {"fin_whale": 0.4, "b": 0.6}, live=False)
    assert calls == [{"fin_whale": 0.4, "b": 0.6}] and shown == []
    plots.slide(lambda **levels: calls.append(levels), {"fin_whale": 0.4, "b": 0.6})
    box, _ = shown
    assert [slider.description for slider in box.children] == ["fin whale", "b"] and len(calls) == 2
    box.children[0].value = 0.9
    assert calls[-1] == {"fin_whale": 0.9, "b": 0.6}


def test_a_gallery_has_a_picture_an_event_and_leaves_the_rest_empty():
    table = pd.DataFrame({"onset": [1.0, 2.0], "offset": [1.5, 2.5], "label": ["a", "b"], "score": [0.9, 0.8]})
    sounds = [(0.0, np.random.default_rng(0).normal(size=3000)), (1.0, np.zeros(3000))]
    _, axes = plt.subplots(1, 3)
    plots.gallery(axes, sounds, table, 1000, {"a": "red"})
    assert [ax.get_visible() for ax in axes] == [True, True, False]
    assert [ax.get_title() for ax in axes[:2]] == ["1. a 0.90", "2. b 0.80"]
    assert [line.get_xdata()[0] for line in axes[1].lines] == [2.0, 2.5]
    _, axes = plt.subplots(1, 2)
    plots.gallery(axes, [], table.iloc[:0], 1000, {})  # no mistake at all
    assert not any(ax.get_visible() for ax in axes)


def test_rates_show_the_highest_of_each_kind_and_say_how_many_there_are():
    columns = ["by", "value", "hours", "false", "per_hour", "per_hour_low", "per_hour_high"]
    rows = [("group", f"day {k}", 1.0, k, float(k), k / 2, 2.0 * k + 1) for k in range(12)]
    table = pd.DataFrame(
        [*rows, ("noise", "a very long name of a noise that goes on", 1.0, 1, 1.0, 0.1, 3.0)], columns=columns
    )
    _, axes = plt.subplots(2, 2)
    plots.rates(axes.flat, table)
    assert [ax.get_title() for ax in axes.flat if ax.get_visible()] == ["noise", "group (8 of 12)"]
    names = [text.get_text() for text in axes.flat[1].get_yticklabels()]
    assert names[0] == "day 11 (1.0 h)" and len(names) == 8
    assert all(len(text.get_text()) <= 34 for text in axes.flat[0].get_yticklabels())


def test_empty_tables_are_figures_too():
    _, ax = plt.subplots()
    plots.hourly(ax, pd.DataFrame({"hour": pd.to_datetime([], utc=True), "class": [], "per_hour": []}), [])
    assert "no recording has a date" in [text.get_text() for text in ax.texts]
    plots.activity(ax, pd.DataFrame(columns=["class", "calls", "kept", "recall", "activity_db", "share"]), ["a"])
