"""Figures draw what they are given, whatever is missing from it, each class in its colour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from whalelib import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_class_keeps_its_colour_whatever_else_is_in_a_figure():
    classes = ["upcall", "dcall", "noise"]
    all_of_them = plots.colours(classes)
    assert plots.colours(classes[:2]) == {name: all_of_them[name] for name in ("dcall", "upcall")}
    assert plots.colours([*classes, "nothing", "all"])["upcall"] == all_of_them["upcall"]
    given = {"upcall": "#123456"}
    assert plots.colours(given) == given  # so a figure of some is given the colours of all
    _, axes = plt.subplots(1, 3)
    plots.counts(axes[0], pd.DataFrame({"upcall": [1], "nothing": [2]}), given)
    plots.distribution(axes[1], {"zeal": np.arange(3.0), "upcall": np.arange(3.0)}, "length (s)", given)
    table = pd.DataFrame({"score": [0.1, 0.9], "share": [0.2, 0.8]})
    plots.reliability(axes[2], {"zeal": table, "upcall": table}, given)
    assert to_hex(axes[0].containers[0][0].get_facecolor()) == given["upcall"]
    assert to_hex(axes[1].patches[1].get_facecolor()) == given["upcall"]
    assert axes[2].lines[2].get_color() == given["upcall"]


def test_a_label_that_is_no_class_is_grey_and_takes_no_class_its_colour(axes_of_counts):
    colour = plots.colours(["fin", "upcall"])
    shown = axes_of_counts(pd.DataFrame({"dcall": [1], "fin": [2], "nothing": [3], "upcall": [4]}), colour)
    assert shown["fin"] == colour["fin"] and shown["upcall"] == colour["upcall"]
    assert {shown["dcall"], shown["nothing"]}.isdisjoint(colour.values()) and shown["dcall"] != shown["nothing"]
    alone = axes_of_counts(pd.DataFrame({"dcall": [1], "fin": [2]}), None)  # without classes each has its own
    assert alone == plots.colours(["dcall", "fin"])


@pytest.fixture
def axes_of_counts():
    """The colour of each column of a table, as its bars are drawn."""

    def drawn(table, colour):
        _, ax = plt.subplots()
        plots.counts(ax, table, colour)
        bars = [bar.patches[0].get_facecolor() for bar in ax.containers]
        plt.close()
        return {name: same(to_hex(bar), colour) for name, bar in zip(table.columns, bars, strict=True)}

    def same(shade, colour):
        named = [*(colour or {}).values(), *plots.PALETTE]
        return next((name for name in named if to_hex(name) == shade), shade)

    return drawn


def test_more_classes_than_colours_have_tints_and_shades():
    shades = plots.colours([f"species {k:02d}" for k in range(22)])
    assert len(set(shades.values())) == 22
    assert list(shades.values())[:8] == list(plots.PALETTE)


def test_pictures_say_the_frequencies_of_their_bands():
    _, axes = plt.subplots(1, 2)
    plots.pictures(axes, np.zeros((2, 10, 5)), ["a", "b"], 3.0, np.arange(10) * 7.0)
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["0", "21", "42", "63"]
    assert axes[0].get_ylabel() == "frequency (Hz)"


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


def test_a_label_with_a_formula_in_it_is_drawn_as_it_is(tmp_path):
    label = r"$\x$ 5$"
    figure, ax = plt.subplots()
    event = pd.DataFrame({"onset": [1.0], "offset": [2.0], "low_hz": [10.0], "high_hz": [90.0], "label": [label]})
    ax.set(xlim=(0, 3), ylim=(0, 100))
    plots.boxes(ax, event.assign(truth="present"), plots.colours([label]))
    plots.names(ax, event)
    plots.save(figure, tmp_path / "figure.png")
    assert ax.texts[0].get_text().replace("\n", " ") == r"\$\x\$ 5\$"
