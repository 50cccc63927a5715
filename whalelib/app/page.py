"""The page itself: what stands where, and what answers to what. Everything it does is done in the modules beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from whalelib.app import corrections, words
from whalelib.app.downloads import written
from whalelib.app.drawing import WIDTHS, View, drawn, fitted, panels
from whalelib.app.examples import EXAMPLES, example
from whalelib.app.hearing import Visit, at_time, detected, following, hear, resumed
from whalelib.app.knobs import Knobs, sliders, turned
from whalelib.app.limits import Limits, received
from whalelib.app.listening import Ear, Scribe
from whalelib.app.sound import playable
from whalelib.errors import InputError
from whalelib.playing import SPEEDS

BY_TIME, BY_DOUBT = "by time", "most uncertain first"
_FORGOTTEN = "This recording has been forgotten after some hours: give it again."
# Nothing here is for other programs to call; scans, which cost, are done one after the other.
_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_SCAN: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 1, "concurrency_id": "scan"}

Answer = dict[Any, Any]  # what becomes of some of the page's elements


class Page:
    """The page of one detector or transcriber. Visitors share it, and share nothing else."""

    def __init__(self, ear: Ear | Scribe, limits: Limits, folder: str | Path) -> None:
        self.ear, self.limits, self.folder = ear, limits, Path(folder)
        self.desk = Path(tempfile.mkdtemp(prefix="whalelib-page-"))
        with gr.Blocks(
            title="whalelib: whale calls in your recording", analytics_enabled=False, delete_cache=(3600, 86400)
        ) as self.blocks:
            self._lay_out()
            self._wire()

    def close(self) -> None:
        """Stop serving, and remove what was laid down for visitors."""
        self.blocks.close(verbose=False)
        shutil.rmtree(self.desk, ignore_errors=True)

    # What stands where

    def _lay_out(self) -> None:
        self.visit = gr.State(None, time_to_live=6 * 3600, delete_callback=partial(_forget, self.desk))
        self.view = gr.State(View())
        self.screen = gr.Number(1200, visible="hidden")
        gr.HTML(words.heading(self.ear, self.limits))
        with gr.Row(elem_id="hand-in"):
            self.file = gr.File(label="A sound file: wav, flac, mp3, ogg", elem_id="file", height=150)
            self.microphone = gr.Audio(
                sources=["microphone"], type="filepath", format=None, editable=False, label="Or record", buttons=[]
            )
            with gr.Column(min_width=160, elem_id="start"):
                self.find = gr.Button("Find calls", variant="primary", elem_id="find")
                gr.HTML('<p class="limits">or try one from a synthetic ocean</p>')
                with gr.Row():
                    self.examples = [gr.Button(name, size="sm", min_width=70) for name in EXAMPLES]
        self.notice = gr.HTML("", elem_id="notice")
        with gr.Column(visible=False, elem_id="results") as self.results:
            self.summary = gr.HTML(elem_id="summary")
            self.picture = gr.HTML(elem_id="picture", js_on_load=_PICTURE_CLICKS)
            with gr.Row(elem_id="where"):
                self.place = gr.Slider(0, 1, 0, step=0.1, label="Shown from (s)", scale=3)
                self.width = gr.Radio([f"{width} s" for width in WIDTHS], value="30 s", label="Width", scale=3)
                self.height = gr.Radio(
                    [f"{self.ear.rate // part} Hz" for part in (16, 8, 4, 2)], value=f"{self.ear.rate // 2} Hz",
                    label="Up to", scale=3,
                )  # fmt: skip
                self.channel = gr.Dropdown(
                    [1], value=1, label="Channel", min_width=90, visible=False, elem_id="channel"
                )
            self.transcript = gr.HTML(visible=self.ear.writes, elem_id="transcript", js_on_load=_ROW_CLICKS)
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=300):
                    self.order = gr.Radio(
                        [BY_TIME, BY_DOUBT],
                        value=BY_TIME,
                        label="Calls" if self.ear.writes else "Detections",
                        elem_id="order",
                    )
                    self.rows = gr.HTML(elem_id="rows", js_on_load=_ROW_CLICKS)
                with gr.Column(scale=6, min_width=300):
                    self._lay_out_listening()
                    self._lay_out_harvest()
            self._lay_out_knobs()

    def _lay_out_listening(self) -> None:
        with gr.Column(elem_id="listening"):
            self.player = gr.HTML(words.NOT_HEARD, elem_id="player")
            self.speed = gr.Radio(
                ["by pitch", *(f"{speed}×" for speed in SPEEDS)], value="by pitch", label="Speed", elem_id="speed"
            )
            self.label = gr.Dropdown(
                self.ear.classes, value=None, allow_custom_value=True, label="It is", elem_id="label",
                info="what you say here is the label of a call; write a new one if it is none of these",
            )  # fmt: skip
            with gr.Row(elem_id="verdicts"):
                self.verdicts = {
                    word: gr.Button(word.capitalize(), size="sm", min_width=80, elem_id=word.replace(" ", "-"))
                    for word in corrections.VERDICTS
                }

    def _lay_out_knobs(self) -> None:
        with gr.Accordion("Threshold" if self.ear.writes else "Thresholds and merging", open=True, elem_id="knobs"):
            self.knobs = [
                gr.Slider(one.low, one.high, one.at, step=one.step, label=one.label, visible=one.visible)
                for one in sliders(self.ear)
            ]

    def _lay_out_harvest(self) -> None:
        with gr.Row(elem_id="downloads"):
            self.downloads = [
                gr.DownloadButton(
                    name,
                    size="sm",
                    min_width=80,
                    elem_id=f"to-{name.lower()}",
                    visible=self.ear.writes or name != "Text",
                )
                for name in ("Raven", "Audacity", "CSV", "Text")
            ]
            self.save = gr.Button("Save for training", size="sm", min_width=140, elem_id="save")
        self.saved = gr.HTML("", elem_id="saved")

    # What answers to what

    def _wire(self) -> None:
        knobs = self.knobs
        shown = [self.visit, self.view, self.summary, self.picture, self.place, self.rows, *self.downloads]
        shown += [self.transcript, self.channel]
        heard = [*shown, self.player, self.label]
        now = [self.visit, self.view, self.order]
        self.blocks.load(None, None, self.screen, js="() => window.innerWidth", **_QUIET)
        # The one that was given last counts.
        self.file.upload(lambda: None, None, self.microphone, **_QUIET)
        self.microphone.stop_recording(lambda: None, None, self.file, **_QUIET)
        given = [self.file, self.microphone, self.screen, self.width, self.height, self.order, *knobs]
        answers = {self.find: self._find, **{b: self._example(k) for k, b in enumerate(self.examples)}}
        for button, answer in answers.items():
            button.click(answer, given, [self.notice, self.results, *heard, self.saved], **_SCAN)
        # Only what the visitor turns counts: the page itself sets the channel of a new recording.
        other = [self.visit, self.channel, self.screen, self.width, self.height, self.order, *knobs]
        self.channel.input(self._other_channel, other, [self.notice, self.results, *heard, self.saved], **_SCAN)
        gr.on(
            [knob.change for knob in knobs] + [self.order.change],
            self._turn,
            [*now, *knobs],
            [self.notice, *shown],
            trigger_mode="always_last",
            **_QUIET,
        )
        moved = {
            "inputs": [self.visit, self.view, self.place, self.width, self.height, *knobs],
            "outputs": [self.view, self.picture],
        }
        gr.on(
            [self.place.release, self.width.change, self.height.change],
            self._look,
            **moved,
            trigger_mode="always_last",
            **_QUIET,
        )
        self.rows.click(self._choose_row, [*now, self.speed, *knobs], [*heard, self.notice], **_QUIET)
        self.transcript.click(self._choose_row, [*now, self.speed, *knobs], [*heard, self.notice], **_QUIET)
        self.picture.click(self._choose_place, [*now, self.speed, *knobs], [*heard, self.notice], **_QUIET)
        self.speed.change(self._played, [self.visit, self.speed], self.player, **_QUIET)
        said = [self.visit, self.view, self.label, self.order, self.speed, *knobs]
        for word, button in self.verdicts.items():
            button.click(self._judge(word), said, [*heard, self.saved], **_QUIET)
        self.save.click(self._save, self.visit, [self.visit, self.saved], **_QUIET)

    def _find(self, progress: gr.Progress = gr.Progress(), *asked: Any) -> Answer:  # noqa: B008  # gradio's way
        file, microphone, *rest = asked
        return self._heard(lambda: file or microphone, progress, *rest)

    def _example(self, number: int) -> Callable[..., Answer]:
        def answer(progress: gr.Progress = gr.Progress(), *asked: Any) -> Answer:  # noqa: B008
            return self._heard(lambda: example(self.desk, number, song=self.ear.writes), progress, *asked[2:])

        return answer

    def _other_channel(self, progress: gr.Progress = gr.Progress(), *asked: Any) -> Answer:  # noqa: B008
        """The same recording, by another of its channels."""
        visit, channel, *rest = asked
        return self._heard(lambda: visit.path if visit else None, progress, *rest, visit=visit, channel=int(channel))

    def _heard(
        self,
        given: Callable[[], str | None],
        progress: gr.Progress,
        screen: float,
        width: str,
        height: str,
        order: str,
        *knobs: float,
        visit: Visit | None = None,
        channel: int = 1,
    ) -> Answer:
        """A recording has come in, or another channel of it: it is heard and shown, or a sentence says why not."""
        try:
            recording, notes = received(given(), self.limits)
            progress(0, desc="listening")
            new = hear(self.ear, recording, notes, lambda share: progress(min(share, 1.0), desc="listening"), channel)
            new = resumed(new, self.folder)
            if visit is not None:  # what was said of another channel and not saved yet stays
                new = replace(new, corrections=visit.corrections, saved=visit.saved, token=visit.token)
            visit = detected(new, self._knobs(knobs), self.ear.bands)
        except InputError as error:
            return {self.notice: words.notice([str(error)], "wrong"), self.results: gr.update(visible=False)}
        view = fitted(View(0.0, _number(width), _number(height), int(screen)), visit.seconds)
        fresh: Answer = {self.notice: "", self.saved: "", self.results: gr.update(visible=True)}
        return fresh | self._chosen(visit, view, order, knobs, "by pitch")

    def _turn(self, visit: Visit | None, view: View, order: str, *knobs: float) -> Answer:
        """The same scores under other knobs."""
        if visit is None:
            return {self.notice: gr.skip()}
        return self._shown(detected(visit, self._knobs(knobs), self.ear.bands), view, order, knobs)

    def _look(self, visit: Visit | None, view: View, place: float, width: str, height: str, *knobs: float) -> Answer:
        """Another part of the recording."""
        if visit is None:
            return {self.view: view}
        view = fitted(replace(view, onset=place, width=_number(width), high_hz=_number(height)), visit.seconds)
        return {self.view: view, self.picture: self._picture(visit, view, knobs)}

    def _choose_row(
        self, visit: Visit | None, view: View, order: str, speed: str, event: gr.EventData, *knobs: float
    ) -> Answer:
        if visit is None:  # forgotten after hours
            return {self.notice: words.notice([_FORGOTTEN], "wrong")}
        return self._chosen(replace(visit, chosen=str(event.key)), view, order, knobs, speed)

    def _choose_place(
        self, visit: Visit | None, view: View, order: str, speed: str, event: gr.EventData, *knobs: float
    ) -> Answer:
        """A click into the picture: a detection is chosen, a place of the whole recording is looked at."""
        if visit is None:
            return {self.notice: words.notice([_FORGOTTEN], "wrong")}
        for panel in panels(visit, view):
            if place := panel.at(float(event.x), float(event.y)):
                seconds, hz = place
                key = at_time(visit, seconds, hz if panel.name == "spectrogram" else None)
                if panel.name == "overview":
                    view = fitted(replace(view, onset=seconds - view.width / 2), visit.seconds)
                elif key:
                    return self._chosen(replace(visit, chosen=key), view, order, knobs, speed)
        return self._shown(visit, view, order, knobs)

    def _judge(self, word: str) -> Callable[..., Answer]:
        def answer(visit: Visit | None, view: View, label: str | None, order: str, speed: str, *knobs: float) -> Answer:
            row = visit.detection(visit.chosen) if visit else None
            if visit is None or row is None:
                return {self.saved: words.notice(["Choose a detection first, by a click on it."], "wrong")}
            try:
                said = corrections.judged(visit.corrections, row, word, label or "")
            except InputError as error:
                return {self.saved: words.notice([str(error)], "wrong")}
            visit = replace(visit, corrections=said)
            visit = replace(visit, chosen=following(visit, row.key, order == BY_DOUBT))
            return {self.saved: ""} | self._chosen(visit, view, order, knobs, speed)

        return answer

    def _save(self, visit: Visit | None) -> Answer:
        if visit is None:
            return {self.saved: ""}
        try:
            table, everything = corrections.save(self.folder, visit.recording, visit.corrections, visit.saved)
        except InputError as error:
            return {self.saved: words.notice([str(error)], "wrong")}
        kept = f"{len(everything)} annotation(s) of it are in {table}."
        learn = f"To learn from them: whalelib run all source=raven data_path={self.folder}"
        visit = replace(visit, corrections=everything, saved=everything)
        return {self.visit: visit, self.saved: words.notice([kept, learn], "done")}

    # What all answers have in common

    def _chosen(self, visit: Visit, view: View, order: str, knobs: Sequence[float], speed: str) -> Answer:
        """The chosen detection, if there is one, is in view and heard."""
        row = visit.detection(visit.chosen)
        if row is None:
            return self._shown(visit, view, order, knobs) | {self.player: words.NOT_HEARD, self.label: None}
        view = fitted(view, visit.seconds, around=(row.onset + row.offset) / 2)
        said = corrections.verdicts(visit.found[visit.found["key"] == row.key], visit.corrections)["said"][0]
        return self._shown(visit, view, order, knobs) | self._played(visit, speed) | {self.label: said}

    def _played(self, visit: Visit | None, speed: str) -> Answer:
        row = visit.detection(visit.chosen) if visit else None
        if visit is None or row is None:
            return {self.player: words.NOT_HEARD}
        rate = int(visit.recording["sample_rate"].iloc[0])
        fast = int(speed[:-1]) if speed.endswith("×") else None
        sound = playable(
            visit.path,
            row.onset,
            row.offset,
            seconds=visit.seconds,
            sample_rate=rate,
            speed=fast,
            channel=visit.channel,
        )
        return {self.player: words.player(sound, row.label)}

    def _shown(self, visit: Visit, view: View, order: str, knobs: Sequence[float]) -> Answer:
        most = max(visit.seconds - view.width, 0.5)
        files = written(self.desk / visit.token, visit)
        return {
            self.visit: visit,
            self.view: view,
            self.summary: words.summary(visit),
            self.picture: self._picture(visit, view, knobs),
            self.place: gr.update(maximum=most, value=round(view.onset, 1), interactive=visit.seconds > view.width),
            self.rows: words.rows(visit, self.ear.classes, order == BY_DOUBT),
            self.transcript: words.transcript(visit, self.ear.classes) if self.ear.writes else "",
            self.channel: gr.update(
                choices=list(range(1, visit.channels + 1)), value=visit.channel, visible=visit.channels > 1
            ),
            **{button: str(path) for button, path in zip(self.downloads, files, strict=True)},
        }

    def _picture(self, visit: Visit, view: View, knobs: Sequence[float]) -> str:
        at = self._knobs(knobs).thresholds
        return words.picture(drawn(visit, view, at, self.ear.classes, self.ear.rate), visit, view)

    def _knobs(self, values: Sequence[float]) -> Knobs:
        return turned(self.ear, values)


def _forget(desk: Path, visit: Visit | None) -> None:
    """A visitor has left. (No method: gradio copies it for each visitor, with all that it holds.)"""
    if visit is not None:
        shutil.rmtree(desk / visit.token, ignore_errors=True)


def _number(said: str) -> float:
    """The number in "30 s" or "500 Hz"."""
    return float(said.split()[0])


_ROW_CLICKS = """element.addEventListener('click', event => {
  const row = event.target.closest('button[data-key]');
  if (row) trigger('click', {key: row.dataset.key});
});"""
_PICTURE_CLICKS = """element.addEventListener('click', event => {
  if (event.target.tagName !== 'IMG') return;
  const box = event.target.getBoundingClientRect();
  trigger('click', {x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height});
});"""
