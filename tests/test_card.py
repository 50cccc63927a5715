"""The card of a detector or a transcriber: everything in it from the run, and nothing that the run did not measure."""

import re
from types import SimpleNamespace

import pytest
import yaml

from whalelib import card
from whalelib.errors import InputError
from whalelib.models import Detector


def facts(classes, **values):
    return {
        "source": "raven",
        "exhaustive": True,
        "folds": {
            "train": {"recordings": 4, "hours": 1.25, "groups": ["2009-03-28", "2009-03-29"]},
            "test": {"recordings": 2, "hours": 0.5, "groups": ["2009-04-01"]},
        },
        "band": (10.0, 950.0),
        "features": {"n_mels": 64, "window_seconds": 0.256},
        "training": {"epochs": 4, "schedule": "cosine"},
        "values": values,
    }


MEASURED = {
    "test_ap": 0.8125,
    "test_ap_low": 0.7,
    "test_ap_high": 0.9,
    "validation_ap": 0.99,
    "false_per_hour": 1.5,
}


def test_a_card_says_what_was_measured(small_fit, tmp_path):
    detector = small_fit.detector
    calls = [{"class": detector.classes[0], "calls": 7, "precision": 0.5, "recall": None, "false_per_hour": 2.0}]
    told = facts(detector.classes, **MEASURED, events_by_class=calls, thresholds={detector.classes[0]: 0.25})
    folder = card.save(detector, tmp_path / "published", told, "cc-by-4.0")
    text = (folder / "README.md").read_text()
    head = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])
    assert head["license"] == "cc-by-4.0"
    assert head["library_name"] == "whalelib"
    assert set(detector.classes) <= set(head["tags"])
    assert "| average precision | 0.812 | 0.7 to 0.9 |" in text
    assert "| false positives per hour | 1.5 |" in text
    assert "0.99" not in text  # the fold that chose the epoch proves nothing
    assert "| train | 4 | 1.25 | 2009-03-28, 2009-03-29 |" in text
    assert "| band | 10 to 950 Hz |" in text
    assert f"| {detector.classes[0]} | 0.25 | 7 | 0.5 | – | 2 |" in text
    assert "| schedule | cosine |" in text
    again = Detector.from_pretrained(str(folder))
    assert again.options == detector.options


def test_what_was_not_measured_is_not_in_the_card(small_fit):
    text = card.text(small_fit.detector, facts(small_fit.detector.classes), "mit")
    for word in ("average precision", "per hour", "threshold", "None", "nan"):
        assert word not in text


def test_a_licence_must_be_named(small_fit, tmp_path):
    with pytest.raises(InputError, match="under a licence: name one"):
        card.save(small_fit.detector, tmp_path / "x", facts([]), "")
    assert not (tmp_path / "x").exists()


def test_pushing_makes_a_private_repository_of_detector_and_card(small_fit, monkeypatch):
    import huggingface_hub

    said = {}

    class Hub:
        def create_repo(self, repo, private, exist_ok):
            said.update(repo=repo, private=private)
            return f"https://hub/{repo}"

        def upload_folder(self, repo_id, folder_path, commit_message):
            from pathlib import Path

            said.update(to=repo_id, files={path.name: path.read_bytes() for path in Path(folder_path).iterdir()})

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    address = card.push(small_fit.detector, "someone/whales", facts([], **MEASURED), "mit")
    assert address == "https://hub/someone/whales"
    assert said["private"] and said["to"] == "someone/whales"
    assert said["files"].keys() == {"README.md", "config.json", "model.safetensors"}
    assert b'from_pretrained("someone/whales")' in said["files"]["README.md"]


def test_a_hub_that_refuses_is_one_sentence(small_fit, monkeypatch):
    import huggingface_hub

    def refuse(*_, **__):
        raise OSError("401 Client Error\nand much more")

    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(create_repo=refuse))
    with pytest.raises(InputError, match=r"pushed to a/b \(401 Client Error\): check its name and HF_TOKEN\.$"):
        card.push(small_fit.detector, "a/b", facts([]), "mit")


# Transcribers


WRITTEN = {
    "test_unit_error_rate": 0.125,
    "test_unit_error_rate_low": 0.1,
    "test_unit_error_rate_high": 0.15,
    "test_collar_f1": 0.75,
    "test_onset_off_median": 0.0625,
    "detector_unit_error_rate": 0.375,
    "validation_unit_error_rate": 0.99,
}


@pytest.fixture
def transcriber():
    from whalelib import transcribe

    return transcribe.fresh(["unit_a", "unit_b"], transcribe.Hearing(6.0, 4.0, 16), width=16, layers=1)


def test_the_card_of_a_transcriber_says_what_it_writes_and_how_well(transcriber, tmp_path):
    from whalelib import transcribe

    folder = card.save(transcriber, tmp_path / "song", {**facts([], **WRITTEN), "whisper": ""}, "cc-by-4.0")
    text = (folder / "README.md").read_text()
    head = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])
    assert head["license"] == "cc-by-4.0" and {"unit_a", "automatic-speech-recognition"} <= set(head["tags"])
    mine, beside = text.split("## A frame-wise detector")
    assert "| 0.125 | 0.1 to 0.15 |" in mine and "| 0.75 | – |" in mine and "0.0625" in mine
    assert "| 0.375 | – |" in beside and "0.125" not in beside
    assert "0.99" not in text  # the fold that chose the step proves nothing
    assert "| tokens | 2 labels, 76 moments of 0.08 s |" in text
    assert "| begun from | nothing |" in text and "6 s at once" in text and "4,000 Hz" in text
    assert 'transcribe.load("song")' in text
    again = transcribe.load(folder)
    assert again.words == transcriber.words and again.hearing == transcriber.hearing


def test_a_transcriber_is_pushed_as_a_detector_is(transcriber, monkeypatch):
    import huggingface_hub

    said = {}

    class Hub:
        def create_repo(self, repo, private, exist_ok):
            return f"https://hub/{repo}"

        def upload_folder(self, repo_id, folder_path, commit_message):
            from pathlib import Path

            said.update(to=repo_id, files={path.name for path in Path(folder_path).iterdir()})

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert card.push(transcriber, "someone/song", facts([], **WRITTEN), "mit") == "https://hub/someone/song"
    assert {"README.md", "config.json", "model.safetensors", "transcriber.json"} <= said["files"]


def test_what_is_neither_here_nor_on_the_hub_is_one_sentence(monkeypatch):
    import huggingface_hub

    from whalelib import transcribe

    def refuse(*_, **__):
        raise OSError("cannot reach the hub\nand much more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(InputError, match=r"cannot be had as a transcriber \(cannot reach the hub\)"):
        transcribe.load("nobody/no-such-transcriber")


def test_a_transcriber_comes_back_from_the_hub(transcriber, tmp_path, monkeypatch):
    import huggingface_hub

    from whalelib import transcribe
    from whalelib.app.opening import opened

    transcriber.save(tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo: str(tmp_path / "snapshot"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: str(tmp_path / "snapshot" / name))
    assert transcribe.load("someone/song").words == transcriber.words
    assert opened("someone/song").classes == ["unit_a", "unit_b"]
