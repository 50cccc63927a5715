"""A picture of the page, as the README has it: `python -m whalelib.app.portrait MODEL docs/pictures/page.png`."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from whalelib.errors import InputError, needs_extra


def portrait(model: str, target: Path) -> None:
    """Open the page in a Chromium, listen to an example, judge a detection, and keep what is seen."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise needs_extra("playwright", "dev") from None
    from PIL import Image

    from whalelib.app import serving
    from whalelib.app.limits import Limits
    from whalelib.app.opening import opened

    ear = opened(model)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving.served(ear, Limits(), folder) as address,
        sync_playwright() as started,
    ):
        browser = started.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1240, "height": 1330})
        view.goto(address)
        view.get_by_role("button", name="Example 1").click()
        view.wait_for_selector("img.picture")
        view.get_by_text("250 Hz").click()
        view.wait_for_timeout(1500)
        view.click(".rows button >> nth=2")
        view.wait_for_selector("audio")
        view.wait_for_timeout(1500)
        picture = Image.open(io.BytesIO(view.screenshot()))
        browser.close()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Few colours: a spectrogram is mostly noise, which PNG cannot pack.
    picture.convert("RGB").resize((930, 930 * picture.height // picture.width)).quantize(
        256, method=Image.Quantize.MAXCOVERAGE
    ).save(target, optimize=True)


def chromium() -> str:
    """The browser of this machine."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise InputError("there is no Chromium here to look at the page with: install one, as by apt-get.")
    return found


if __name__ == "__main__":
    portrait(sys.argv[1], Path(sys.argv[2]))
