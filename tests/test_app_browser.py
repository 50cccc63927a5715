"""The page as visitors meet it: in a real Chromium, from a recording to a saved correction."""

import shutil

import pytest
from energy import LABELS, calls, ear, scribe

from whalelib import formats, sources
from whalelib.app.limits import Limits

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed here: apt-get install chromium")
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # one that beeps
ATTACK = "<img src=x onerror=\"document.title='gone'\"> ${1+1} {{value}}"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def address(kept):
    from whalelib.app import serving

    with serving.served(ear(), Limits(minutes=2, megabytes=2), kept) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *MICROPHONE])
        yield chromium
        chromium.close()


@pytest.fixture
def visitor(browser, address):
    """A page that was just opened; anything that a script shouts is a failure."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    shouted = []
    page.on("dialog", lambda dialog: (shouted.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: shouted.append(str(error)))
    page.set_default_timeout(20_000)
    page.goto(address)
    page.wait_for_selector("#find")
    yield page
    assert shouted == []
    page.close()


def hand_in(page, path):
    page.set_input_files("#file input[type=file]", str(path))
    page.wait_for_selector(f"#file >> text={path.stem}")
    page.click("#find")


def wait_for_count(page, count):
    page.wait_for_function(f"document.querySelector('#count')?.textContent.startsWith('{count} ')")


def threshold(page, label, value):
    """Type a threshold into the number beside its slider."""
    page.fill(f"#knobs input[type=number][aria-label*='{label}']", str(value))
    page.keyboard.press("Tab")


def test_neither_file_nor_recording_is_a_sentence(visitor):
    visitor.click("#find")
    assert visitor.inner_text(".notice.wrong") == "Provide a recording or a file."
    assert "up to 2 minutes and 2 MB" in visitor.inner_text(".heading")
    assert not visitor.locator("footer").is_visible()


def test_from_a_recording_to_corrections_that_training_reads(visitor, tmp_path, kept):
    path = calls(tmp_path / "tape <b>7.wav")
    hand_in(visitor, path)
    wait_for_count(visitor, 4)
    picture = visitor.locator("img.picture")
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 1000

    threshold(visitor, "low call", 0.99)
    threshold(visitor, "high call", 0.99)
    visitor.wait_for_function("parseInt(document.querySelector('#count').textContent) < 4")
    threshold(visitor, "low call", 0.5)
    threshold(visitor, "high call", 0.5)
    wait_for_count(visitor, 4)

    # Heard by a click in the picture, on the first call, and in the list.
    box = picture.bounding_box()
    left, width, above = 0.055, 0.935, 0.14 + 0.24
    picture.click(position={"x": box["width"] * (left + width * 5.7 / 30), "y": box["height"] * above})
    visitor.wait_for_selector("#player >> text=low call")
    assert "times as fast" in visitor.inner_text("#player")
    assert visitor.eval_on_selector("audio", "sound => sound.duration || sound.readyState >= 0")
    visitor.click(".rows button >> nth=1")
    visitor.wait_for_selector("#player >> text=high call")

    # Noise is said of it; the next one follows, of which a new label is said, by which html stays text.
    visitor.click("#noise")
    visitor.wait_for_selector(".rows button[data-verdict=noise]")
    visitor.wait_for_selector(".rows button[aria-current] >> text=low call")
    visitor.fill("#label input", ATTACK[:60])
    visitor.keyboard.press("Enter")
    visitor.keyboard.press("Tab")
    visitor.click("#call")
    visitor.wait_for_selector(".rows button[data-verdict=call]")
    assert ATTACK[:60].split(" ")[0] in visitor.inner_text(".rows button[data-verdict=call]")
    assert visitor.title() != "gone"
    assert visitor.locator("img[src=x]").count() == 0
    visitor.click("#not-sure")
    visitor.wait_for_selector(".rows button[data-verdict='not sure']")

    with visitor.expect_download() as fetched:
        visitor.click("#to-raven")
    table = tmp_path / fetched.value.suggested_filename
    fetched.value.save_as(table)
    events = formats.read_raven(table, recording="tape").events
    assert list(events["truth"]) == ["present", "present", "possible"]
    assert events["label"][1] == ATTACK[:60]

    visitor.click("#save")
    visitor.wait_for_selector(".notice.done")
    survey = sources.load("raven", kept)
    assert survey.problems == []
    said = survey.events.sort_values(["onset", "truth"])
    assert list(said["truth"]) == ["absent", "absent", "present", "possible"]
    assert set(said["label"]) == {*LABELS, ATTACK[:60]}


@pytest.mark.parametrize("kind", ["zip", "html", "long"])
def test_what_is_no_recording_ends_in_a_sentence(visitor, tmp_path, kind):
    path = tmp_path / {"zip": "sea.zip", "html": "page.wav", "long": "night.flac"}[kind]
    if kind == "zip":
        import zipfile

        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("sea.wav", b"\0" * 100_000_000)
    elif kind == "html":
        path.write_text("<script>alert(1)</script>" * 100)
    else:
        import numpy as np
        import soundfile

        soundfile.write(path, np.zeros(600_000, dtype=np.int16), 1000)
    hand_in(visitor, path)
    says = visitor.inner_text(".notice.wrong")
    assert path.name in says and says.endswith(".")
    assert ("lasts 10.0 min" if kind == "long" else "cannot be read as sound") in says


def test_an_example_is_made_on_the_spot_and_fits_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(20_000)
    page.goto(address)
    page.get_by_role("button", name="Example 1").click()
    page.wait_for_selector("img.picture")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img.picture").evaluate("image => image.naturalWidth / image.naturalHeight") < 1
    page.close()


def test_only_this_machine_is_served(address):
    assert address.startswith("http://127.0.0.1:")


# A transcriber


@pytest.fixture(scope="module")
def written_at(tmp_path_factory):
    from whalelib.app import serving

    with serving.served(scribe(), Limits(minutes=2, megabytes=2), tmp_path_factory.mktemp("written")) as address:
        yield address


def test_a_transcript_is_read_heard_mended_and_kept(browser, written_at, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    page.goto(written_at)
    assert "writes down" in page.inner_text(".heading")
    hand_in(page, calls(tmp_path / "tape.wav"))
    wait_for_count(page, 4)
    assert page.inner_text("#count") == "4 calls"
    assert page.locator(".transcript button").all_inner_texts() == ["low call", "high call", "low call", "high call"]
    assert page.inner_text(".transcript .when >> nth=0") == "0:04.9"
    assert not page.locator("#knobs >> text=merge").is_visible()

    page.click(".transcript button >> nth=1")
    page.wait_for_selector("#player >> text=high call")
    page.wait_for_selector(".transcript button[aria-current] >> text=high call")
    page.click("#noise")
    page.wait_for_function("document.querySelectorAll('.transcript button').length == 3")

    threshold(page, "sure", 0.6)
    wait_for_count(page, 2)
    threshold(page, "sure", 0)
    wait_for_count(page, 4)
    for name, read in (("raven", formats.read_raven), ("text", None)):
        with page.expect_download() as fetched:
            page.click(f"#to-{name}")
        path = tmp_path / fetched.value.suggested_filename
        fetched.value.save_as(path)
        if read:
            assert list(read(path, recording="tape").events["label"]) == [LABELS[0], LABELS[0], LABELS[1]]
        else:
            assert [line.split("  ")[1] for line in path.read_text().splitlines()] == [LABELS[0], LABELS[0], LABELS[1]]
    page.close()


def test_another_channel_is_heard_by_a_choice(visitor, tmp_path):
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(calls(tmp_path / "one.wav"))
    noise = np.random.default_rng(3).normal(0, 0.01, len(samples))
    soundfile.write(tmp_path / "two.wav", np.stack([noise, samples], axis=1), rate, subtype="FLOAT")
    hand_in(visitor, tmp_path / "two.wav")
    wait_for_count(visitor, 0)
    visitor.click("#channel input")
    visitor.get_by_role("option", name="2", exact=True).click()
    wait_for_count(visitor, 4)
    visitor.click(".rows button >> nth=0")
    visitor.wait_for_selector("#player >> text=low call")
    visitor.click("#call")
    with visitor.expect_download() as fetched:
        visitor.click("#to-raven")
    fetched.value.save_as(tmp_path / "two.txt")
    assert set(formats.read_raven(tmp_path / "two.txt", recording="two").events["channel"]) == {2}


@pytest.mark.lab  # a browser records in real time, and a busy machine starves it
def test_what_is_recorded_is_heard(visitor):
    visitor.get_by_role("button", name="Record").click()
    visitor.wait_for_timeout(2500)
    visitor.get_by_role("button", name="Stop").first.click()
    visitor.wait_for_selector("#hand-in [data-testid*=waveform]")
    visitor.click("#find")
    visitor.wait_for_selector("img.picture")
    assert "of audio" in visitor.inner_text("#summary")
