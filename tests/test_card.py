"""The card of a detector: everything in it from the run, and nothing that the run did not measure."""

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
