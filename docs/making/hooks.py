"""What mkdocs does beside its own work: generated reference, and fences as a reader sees them."""

from __future__ import annotations

from typing import Any

import fences
import reference


def on_page_markdown(markdown: str, **_: Any) -> str:
    return fences.shown(reference.filled(markdown))
