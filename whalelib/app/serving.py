"""The page served: how it looks, and at which address it answers until somebody has seen enough."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from whalelib.app.limits import Limits
from whalelib.app.listening import Ear, Scribe
from whalelib.app.page import Page

_HERE = Path(__file__).parent


def look() -> dict[str, Any]:
    """How the page looks, as `launch` takes it: no fonts from elsewhere, the colours of the figures."""
    plain = ("system-ui", "sans-serif")
    theme = gr.themes.Base(primary_hue="sky", neutral_hue="slate", radius_size="md", font=plain, font_mono="monospace")
    theme.set(
        button_primary_background_fill="#0072B2",
        button_primary_background_fill_hover="#005a8d",
        slider_color="#0072B2",
        checkbox_label_background_fill="transparent",
        block_border_width="0px",
    )
    return {
        "theme": theme,
        "css": (_HERE / "page.css").read_text(encoding="utf-8"),
        "head": f"<script>{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>",
    }


@contextlib.contextmanager
def served(ear: Ear | Scribe, limits: Limits, folder: str | Path, **launch: Any) -> Iterator[str]:
    """The page, served on this machine alone unless `server_name` says otherwise; gives its address."""
    os.environ.setdefault("GRADIO_RUN_HISTORY", "false")  # what is asked stays with who asks
    page = Page(ear, limits, folder)
    page.blocks.queue(max_size=20)
    try:
        _, address, _ = page.blocks.launch(
            **{
                "server_name": "127.0.0.1",
                "share": False,
                "quiet": True,
                "prevent_thread_lock": True,
                "footer_links": [],
                "enable_monitoring": False,
                "ssr_mode": False,
                "max_file_size": f"{int(limits.megabytes * 1_000_000)}b",
                **look(),
                **launch,
            }
        )
        yield address
    finally:
        page.close()


def wait() -> None:
    """Until somebody presses Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
