"""Sliders over a picture: a knob on the screen is called what it is called on the page of knobs."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt

from whalelib import config
from whalelib.errors import InputError
from whalelib.playing import Playable

Span = tuple[float, float, float]  # from, to, step
_WIDE = {"description_width": "10em"}
_LIKE_AN_OUTPUT = '<div class="jp-RenderedHTMLCommon">{}</div>'  # as JupyterLab draws tables


@dataclass(frozen=True)
class Seen:
    """What there is to see and to hear: a figure, words under it, a styled table, a sound."""

    figure: Any = None
    words: str = ""
    table: Any = None
    sound: Playable | None = None


Draw = Callable[[dict[str, Any]], Seen]


@dataclass
class Panel:
    """What can be turned, by name (nothing in a batch), and what was seen last."""

    controls: dict[str, Any] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

    @property
    def figure(self) -> Any:
        return self.seen.figure

    def __repr__(self) -> str:  # what a notebook would print under the picture
        return f"Panel({', '.join(self.controls)})"


def control(name: str, value: Any, span: Span | None = None) -> Any:
    """What turns a knob: a box to tick, a list to choose from, or a slider over `span`."""
    import ipywidgets

    knob = {knob.name: knob for knob in config.knobs()}[name]
    look = {"description": name, "tooltip": knob.says, "style": _WIDE}
    if knob.type == "yes or no":
        return ipywidgets.Checkbox(value=value, **look)
    if knob.type.count("|"):
        return ipywidgets.Dropdown(options=knob.type.split(" | "), value=value, **look)
    assert span is not None, f"{name} is a number: say from where to where it can be turned."
    return slider(value, span, whole=knob.type == "whole number", **look)


def slider(value: float, span: Span, *, whole: bool = False, **look: Any) -> Any:
    """A slider over a span, which is made to hold the value; it asks for a new picture when it is let go."""
    import ipywidgets

    least, most, step = min(span[0], value), max(span[1], value), span[2]
    look = {"style": _WIDE, "continuous_update": False, **look}
    if whole:
        return ipywidgets.IntSlider(value=int(value), min=int(least), max=int(most), step=int(step), **look)
    digits = max(len(f"{step:g}".partition(".")[2]), 1)
    return ipywidgets.FloatSlider(value=value, min=least, max=most, step=step, readout_format=f".{digits}f", **look)


def turned(draw: Draw, values: Mapping[str, Any], make: Callable[[], dict[str, Any]], live: bool = True) -> Panel:
    """Show what is drawn of these values, and again whenever a control, which has the name of its value, is moved.

    `make` makes the controls; it is only called where somebody can move them: `live`, and there are widgets. What
    cannot be drawn is said under the last picture, in one sentence.
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        live = False
    if not live:
        panel = Panel(seen=draw(dict(values)))
        show(panel.seen)
        return panel
    from IPython.display import display

    panel, screen = Panel(make()), Screen()

    def again(_: Any = None) -> None:
        try:
            panel.seen = draw({name: one.value for name, one in panel.controls.items()})
        except InputError as error:
            screen.say(str(error))
        else:
            screen.show(panel.seen)

    for one in panel.controls.values():
        one.observe(again, names="value")
    again()
    display(screen.under(list(panel.controls.values())))
    return panel


def show(seen: Seen) -> None:
    """As outputs of the cell."""
    from IPython.display import Audio, display

    if seen.figure is not None:
        plt.show()
    if seen.table is not None:
        display(seen.table)
    if seen.words:
        print(seen.words)
    if seen.sound is not None:
        display(Audio(data=seen.sound.wav))


class Screen:
    """The same in widgets that are written anew.

    Not ipywidgets' Output: programs that run notebooks without a browser wait for it, now and then for ever.
    """

    def __init__(self) -> None:
        import ipywidgets

        self.picture = ipywidgets.Image(format="jpeg")
        self.table, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        self.sound = ipywidgets.Audio(format="wav", autoplay=False, loop=False)

    def show(self, seen: Seen) -> None:
        if seen.figure is not None:
            file = io.BytesIO()
            seen.figure.savefig(file, format="jpeg", bbox_inches="tight", pil_kwargs={"quality": 85})
            plt.close(seen.figure)  # or the cell would show it, too
            self.picture.value = file.getvalue()
        self.table.value = _LIKE_AN_OUTPUT.format(seen.table.to_html()) if seen.table is not None else ""
        self.say(seen.words)
        self.sound.value = seen.sound.wav if seen.sound is not None else b""
        self.sound.layout.display = "" if seen.sound is not None else "none"

    def say(self, words: str) -> None:
        self.words.value = f'<pre style="line-height: 1.3">{html.escape(words)}</pre>' if words else ""

    def under(self, controls: list[Any]) -> Any:
        """All of it in a box, the controls in as many columns as there is room for."""
        import ipywidgets

        for one in controls:
            one.layout = ipywidgets.Layout(width="26em")
        rows = ipywidgets.Box(controls, layout=ipywidgets.Layout(display="flex", flex_flow="row wrap"))
        return ipywidgets.VBox([rows, self.picture, self.table, self.words, self.sound])


def to_keep(values: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The knobs that were turned, as lines for a notebook's cell of parameters; nothing if none was."""
    lines = [f"{name} = {value!r}" for name, value in values.items() if value != before[name]]
    return "\n".join(["# to keep this, put into the parameters cell:", *lines]) if lines else ""
