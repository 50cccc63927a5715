"""Sliders over a picture: a knob on the screen is called what it is called on the page of knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whalelib import config
from whalelib.errors import InputError

Span = tuple[float, float, float]  # from, to, step
Draw = Callable[[dict[str, Any]], Any]
_WIDE = {"description_width": "10em"}


@dataclass
class Panel:
    """What can be turned, by name (nothing in a batch), and the figure that was drawn last."""

    controls: dict[str, Any] = field(default_factory=dict)
    figure: Any = None

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
    """Call `draw` with these values by name, and again with those of the controls whenever one is moved.

    `make` makes the controls; it is only called where somebody can move them: `live`, and there are widgets. What
    cannot be drawn is said in the picture's place, in one sentence.
    """
    from IPython.display import clear_output, display

    try:
        import ipywidgets
    except ImportError:
        live = False
    panel = Panel()
    if not live:
        panel.figure = draw(dict(values))
        return panel
    panel.controls, picture = make(), ipywidgets.Output()

    def again(_: Any = None) -> None:
        with picture:
            clear_output(wait=True)
            try:
                panel.figure = draw({name: one.value for name, one in panel.controls.items()})
            except InputError as error:
                print(error)

    for one in panel.controls.values():
        one.observe(again, names="value")
        one.layout = ipywidgets.Layout(width="26em")
    rows = ipywidgets.Layout(display="flex", flex_flow="row wrap")
    display(ipywidgets.VBox([ipywidgets.Box(list(panel.controls.values()), layout=rows), picture]))
    again()
    return panel


def to_keep(values: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The knobs that were turned, as lines for a notebook's cell of parameters; nothing if none was."""
    lines = [f"{name} = {value!r}" for name, value in values.items() if value != before[name]]
    return "\n".join(["# to keep this, put into the parameters cell:", *lines]) if lines else ""
