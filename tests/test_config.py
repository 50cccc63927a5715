"""The page of knobs: what it refuses and with which sentence, how files are read, and what a signature hears."""

import dataclasses
import itertools
import json
import subprocess
import sys
from collections import Counter

import pytest
from refusal import refused

from whalelib import config

KNOBS = config.knobs()
BY_NAME = pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
DEFAULT = config.resolve()


def yaml_file(tmp_path, text):
    path = tmp_path / "knobs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def another(knob):
    """A valid value of a knob that is not its default."""
    if " | " in knob.type:
        return next(choice for choice in knob.type.split(" | ") if choice != knob.default)
    if knob.type.startswith("number or"):
        return 0.5
    if knob.type == "yes or no":
        return not knob.default
    if knob.name == "augmentations":
        return ["gain"]
    if knob.type == "list of texts":
        return ["upcall"]
    if knob.type == "list of numbers":
        return [0.5]
    if knob.type == "numbers by name":
        return {"upcall": 0.5}
    if knob.type == "lists by name":
        return {"whale": ["upcall"]}
    if knob.type == "text":
        return knob.default + "x"
    if knob.type == "whole number":
        return knob.default + (1 if knob.name in ("deltas", "head_layers") else 4)
    if knob.name == "speed":
        return 2.0  # slower, and the default band would not fit
    return knob.default * 0.9 if knob.default else 0.125


# The page


def test_a_knobs_name_is_its_own():
    fields = Counter(field.name for cls in config.SECTIONS.values() for field in dataclasses.fields(cls))
    assert [name for name, times in fields.items() if times > 1] == []
    assert set(fields) == {knob.name for knob in KNOBS}


@BY_NAME
def test_every_knob_says_what_it_does(knob):
    assert len(knob.says) > 10
    assert knob.unit or knob.type != "whole number" or "seed" in knob.name or "draws" in knob.says


@BY_NAME
def test_every_default_is_a_valid_value(knob):
    assert getattr(config.resolve({knob.name: knob.default}), knob.name) == knob.default


@BY_NAME
def test_every_type_has_a_plain_name(knob):
    plain = {"whole number", "number", "number or empty", "text", "yes or no", "list of texts", "list of numbers",
             "numbers by name", "lists by name"}  # fmt: skip
    assert knob.type in plain or " | " in knob.type


def test_the_defaults_resolve():
    assert DEFAULT.flat() == {knob.name: knob.default for knob in KNOBS}
    assert DEFAULT == config.resolve({}) == config.resolve(None)


def test_knobs_and_sections_are_attributes():
    found = config.resolve({"n_mels": 32, "model": "small_cnn"})
    assert found.n_mels == found.features.n_mels == 32
    assert found.model == found.section("model").model == "small_cnn"
    with pytest.raises(AttributeError, match="'n_mel'; did you mean 'n_mels'"):
        _ = found.n_mel


def test_a_section_becomes_keyword_arguments():
    arguments = config.section_of(DEFAULT, "scan")
    assert arguments == {"merged_classes": {}, "scan_hop_seconds": DEFAULT.scan_hop_seconds,
                         "scan_batch": DEFAULT.scan_batch, "engine": "torch", "scan_precision": "float32",
                         "test_crops": DEFAULT.test_crops, "test_speeds": DEFAULT.test_speeds}  # fmt: skip
    left_out = ["merged_classes", "scan_batch", "engine", "scan_precision", "test_crops", "test_speeds"]
    without = config.section_of(DEFAULT, "scan", without=left_out)
    assert without == {"scan_hop_seconds": DEFAULT.scan_hop_seconds}


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.features.n_mels = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.features = None


def test_one_configurations_list_is_not_anothers():
    given = ["a"]
    found = config.resolve({"classes": given})
    given.append("b")
    assert found.classes == ["a"]
    config.resolve().classes.append("c")
    assert config.resolve().classes == []


def test_flat_values_travel_as_json():
    apart = "sample_rate", "store_path", "validation_fold", "dense", "clip_from"  # do not go together with others
    values = {knob.name: another(knob) for knob in KNOBS if knob.name not in apart}
    for found in (DEFAULT, config.resolve(values)):
        assert config.resolve(json.loads(json.dumps(found.flat()))) == found


def test_a_whole_number_may_stand_for_a_number():
    found = config.resolve({"clip_seconds": 4})
    assert found == config.resolve({"clip_seconds": 4.0})
    assert isinstance(found.clip_seconds, float)


# What is refused


@pytest.mark.parametrize(
    ("name", "nearest"), [("n_mel", "n_mels"), ("learningrate", "learning_rate"), ("Threshold", "threshold")]
)
def test_an_unknown_knob_suggests_the_nearest(name, nearest):
    refused(lambda: config.resolve({name: 1}, "a.yaml"), "a.yaml", repr(name), f"did you mean {nearest!r}?")


def test_an_unknown_knob_like_no_other_points_to_the_list():
    says = refused(lambda: config.resolve({"qqqq": 1}), "'qqqq'", "whalelib knobs")
    assert "did you mean" not in says


@BY_NAME
def test_a_value_of_the_wrong_type_is_one_sentence_that_names_the_knob(knob):
    for wrong in ({"a": 1}, "three\nwords", None, True):
        fits = isinstance(wrong, str) and knob.type == "text"
        fits |= wrong is None and knob.type.endswith("empty")
        fits |= wrong is True and knob.type == "yes or no"
        fits |= isinstance(wrong, dict) and knob.type == "numbers by name"
        if not fits:
            refused(lambda wrong=wrong: config.resolve({knob.name: wrong}, "a.yaml"), f"a.yaml: {knob.name} cannot be")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_mels", 0),
        ("n_mels", 64.5),
        ("epochs", -1),
        ("width", 30),  # no multiple of four
        ("min_overlap", 0.0),
        ("min_overlap", 1.5),
        ("threshold", 1.01),
        ("dropout", 1.0),
        ("clip_seconds", float("nan")),
        ("learning_rate", float("inf")),
        ("n_mels", "64"),
        ("classes", ["upcall", 3]),
        ("classes", "upcall"),
    ],
)
def test_a_value_out_of_range_or_almost_right_is_refused(name, value):
    refused(lambda: config.resolve({name: value}), f"{name} cannot be ", "by default")


def test_a_wrong_choice_lists_the_choices_and_suggests_the_nearest():
    refused(lambda: config.resolve({"padding": "wrp"}), "padding cannot be 'wrp'", "zeros | wrap", "mean 'wrap'?")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"band_high_hz": 1000.5}, ["band_high_hz", "sample_rate"]),
        ({"sample_rate": 1000}, ["band_high_hz", "sample_rate"]),
        ({"band_low_hz": 950.0}, ["band_low_hz", "band_high_hz"]),
        ({"window_seconds": 3.01}, ["window_seconds", "clip_seconds"]),
        ({"scan_hop_seconds": 3.01}, ["scan_hop_seconds", "clip_seconds"]),
        ({"validation_share": 0.5, "test_share": 0.5}, ["validation_share", "test_share"]),
        ({"n_folds": 1}, ["n_folds", "cross-validation"]),
        ({"n_folds": 5, "validation_fold": 5}, ["n_folds", "validation_fold"]),
        ({"hard_share": 0.5, "dense": True}, ["hard_share", "dense"]),
        ({"pseudo_present": 0.3, "pseudo_absent": 0.3}, ["pseudo_absent", "pseudo_present"]),
    ],
)
def test_knobs_that_do_not_go_together_are_both_named(values, names):
    refused(lambda: config.resolve(values, "a.yaml"), "a.yaml", *names)


@pytest.mark.parametrize(
    "values",
    [
        {"band_high_hz": 1000.0},
        {"sample_rate": 1900},
        {"window_seconds": 3.0},
        {"scan_hop_seconds": 3.0},
        {"validation_share": 0.5, "test_share": 0.49},
        {"pseudo_present": 0.3, "pseudo_absent": 0.29},
    ],
)
def test_knobs_that_just_go_together_are_taken(values):
    assert config.resolve(values).flat().items() >= values.items()


# Files, command lines, notebooks


def test_a_yaml_file_gives_its_mapping(tmp_path):
    path = yaml_file(tmp_path, "n_mels: 32\npadding: wrap\nclasses: [a, b]\nthreshold:\nexhaustive: true\n")
    assert config.read_yaml(path) == {
        "n_mels": 32, "padding": "wrap", "classes": ["a", "b"], "threshold": None, "exhaustive": True
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "# a comment alone\n"])
def test_an_empty_yaml_file_changes_nothing(tmp_path, text):
    assert config.read_yaml(yaml_file(tmp_path, text)) == {}


@pytest.mark.parametrize(
    ("text", "value"), [("3e-3", 0.003), ("1E4", 10000.0), ("-2.5e+1", -25.0), ("1.e2", 100.0), ("'3e-3'", "3e-3")]
)
def test_an_exponent_makes_a_number(tmp_path, text, value):
    found = config.read_yaml(yaml_file(tmp_path, f"a: {text}\n"))["a"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 1\n", "'a' is given twice"),
        ("grid: {seed: 1, seed: 2}\n", "'seed' is given twice"),
        ("- 1\n- 2\n", "holds no mapping"),
        ("n_mels\n", "holds no mapping"),
        ("a: [1\n", "is no valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", "is no valid YAML"),
        ("a: b: c\n", "is no valid YAML"),
    ],
)
def test_a_yaml_file_that_cannot_be_used_is_one_sentence(tmp_path, text, says):
    refused(lambda: config.read_yaml(yaml_file(tmp_path, text)), "knobs.yaml", says)


def test_a_file_that_is_not_there_is_named(tmp_path):
    refused(lambda: config.read_yaml(tmp_path / "no.yaml"), "no.yaml", "cannot be read")
    refused(lambda: config.read_yaml(tmp_path), str(tmp_path), "cannot be read")


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\xfe\n")
    refused(lambda: config.read_yaml(tmp_path / "a.yaml"), "a.yaml", "is no valid YAML")


@pytest.mark.parametrize("text", ["? [a, b]\n: 1\n", "a: 2001-99-99\n", "1: 2\n", "on: 2\n"])
def test_odd_but_legal_yaml_is_one_sentence(tmp_path, text):
    refused(lambda: config.resolve(config.read_yaml(yaml_file(tmp_path, text))))


def test_overrides_are_read_as_yaml_reads_them():
    words = ["n_mels=32", "padding=wrap", "learning_rate=3e-3", "classes=[a, b]", "threshold=", "label_column=a=b"]
    assert config.parse_overrides([*words, "exhaustive = true"]) == {
        "n_mels": 32, "padding": "wrap", "learning_rate": 0.003, "classes": ["a", "b"], "threshold": None,
        "label_column": "a=b", "exhaustive": True,
    }  # fmt: skip


@pytest.mark.parametrize(("word", "says"), [("n_mels", "is no override"), ("classes=[a", "cannot be read")])
def test_an_override_that_cannot_be_read_is_quoted(word, says):
    refused(lambda: config.parse_overrides(["epochs=3", word]), repr(word), says)


def test_a_notebooks_knobs_are_picked_out_of_all_its_names():
    names = {"n_mels": 32, "model": "other", "config": object(), "np": json, "n_mel": 3, "_": None, "data": []}
    assert config.from_notebook(names) == config.resolve({"n_mels": 32, "model": "other"})
    refused(lambda: config.from_notebook({"n_mels": "many"}), "the notebook's parameters", "n_mels")


def test_texts_of_a_notebook_scheduler_are_read_as_on_the_command_line():
    given = {"n_mels": "32", "learning_rate": "3e-3", "classes": "[a, b]", "compiled": "false", "threshold": "0.5"}
    names = {**given, "label_column": "7", "data_path": "", "beside": "1"}
    read = {"n_mels": 32, "learning_rate": 3e-3, "classes": ["a", "b"], "compiled": False, "threshold": 0.5}
    assert config.from_notebook(names) == config.resolve({**read, "label_column": "7"})
    assert names == {**read, "label_column": "7", "data_path": "", "beside": "1"}  # and the notebook goes on with these


# Signatures


@pytest.mark.parametrize("product", config.PRODUCTS)
def test_a_signature_hears_every_knob_of_its_sections_and_no_other(product):
    for knob in KNOBS:
        if knob.name == "store_path":  # it must name a store, whose knobs count
            continue
        base = {"source": "raven"} if knob.section == "reading" else {}  # the ocean is read in one way only
        before = config.signature(config.resolve(base), product)
        changed = config.signature(config.resolve({**base, knob.name: another(knob)}), product)
        heard = knob.signed and bool({knob.section, f"{knob.section}.{knob.name}"} & {*config.PRODUCTS[product]})
        heard |= knob.name == "source"  # it decides whether the ocean counts at all
        assert (changed != before) == heard, knob.name


@pytest.mark.parametrize(
    "name", ["data_path", "store_path", "workers", "scan_batch", "compiled", "save_every", "keep_at", "mlflow_server"]
)
def test_what_does_not_change_results_is_not_signed(name):
    assert [knob.signed for knob in KNOBS if knob.name == name] == [False]


def test_a_later_product_depends_on_all_that_an_earlier_one_does():
    way = [config.PRODUCTS[name] for name in ("ocean", "clips", "features", "detector", "scores", "detections")]
    assert all(set(earlier) < set(later) for earlier, later in itertools.pairwise(way))
    other = {"transcripts", "transcriber"}  # another way, which parts from this one at the clips
    assert set(way[-1]) == {knob.section for knob in KNOBS if knob.signed} - other
    assert {*config.PRODUCTS["transcripts"]} < {*config.PRODUCTS["transcriber"]}
    # What is told is judged beside the detections, so it depends on whatever decides about either.
    assert {*way[-1], "transcripts", "transcriber"} == {*config.PRODUCTS["transcription"]}


def test_the_ocean_counts_only_while_it_is_the_source():
    def signed(**values):
        return config.signature(config.resolve(values), "detections")

    assert signed(source="raven") == signed(source="raven", ocean_days=9, ocean_rate=4000)
    assert signed(source="synthetic") != signed(source="synthetic", ocean_days=9)
    assert signed(source="synthetic") == signed(source="synthetic", exhaustive=True)
    assert signed(source="raven") != signed(source="raven", exhaustive=True)


def test_recorded_knobs_hold_while_they_are_those_of_now_and_new_ones_are_at_their_default():
    recorded = config.resolve({"n_mels": 32}).flat()
    del recorded["padding"]  # as if the run had been before that knob was

    def holds(**values):
        return config.unchanged(config.resolve(values), "detector", recorded)

    assert holds(n_mels=32)
    assert holds(n_mels=32, workers=3, min_seconds=0.7)
    assert not holds()
    assert not holds(n_mels=32, padding="wrap")
    assert not holds(n_mels=32, epochs=3)


def test_a_signature_is_of_the_resolved_knobs():
    assert config.signature(DEFAULT, "clips") == config.signature(config.resolve(DEFAULT.flat()), "clips")
    whole, number = config.resolve({"clip_seconds": 4}), config.resolve({"clip_seconds": 4.0})
    assert config.signature(whole, "clips") == config.signature(number, "clips")


def test_a_signature_hears_what_is_given_besides():
    plain, one, two = (config.signature(DEFAULT, "clips", **also) for also in ({}, {"data": "1"}, {"data": "2"}))
    assert len({plain, one, two, config.signature(DEFAULT, "clips", other="1")}) == 4
    assert one == config.signature(DEFAULT, "clips", data="1")


def test_a_signature_is_twelve_hexadecimal_digits_in_any_process():
    code = "from whalelib import config; print(config.signature(config.resolve(), 'detections'))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == config.signature(DEFAULT, "detections")
    assert len(said) == 12 and set(said) <= set("0123456789abcdef")


# Importing


@pytest.mark.parametrize(
    ("module", "heavy"), [("whalelib", ["torch", "pandas", "pydantic"]), ("whalelib.config", ["torch", "pandas"])]
)
def test_importing_loads_nothing_heavy(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == "[]"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"hop_seconds": 4.0}, "single frame"),
        ({"front_end": "mfcc", "compress": "pcen"}, "mel+mfcc"),
        ({"top_db": 80.0, "compress": "pcen"}, "top_db"),
        ({"clip_from": "call", "augmentations": ["time_shift fill=silence"]}, "fill=roll"),
    ],
)
def test_knobs_that_do_nothing_or_harm_together_are_refused(values, word):
    refused(lambda: config.resolve(values), word)


@pytest.mark.parametrize(
    "values",
    [
        {"front_end": "ast", "model": "ast", "speed": 8.0, "clip_seconds": 2.0},
        {"front_end": "mel+mfcc", "compress": "pcen", "top_db": 80.0},
        {"clip_from": "window", "augmentations": ["time_shift fill=silence"]},
    ],
)
def test_a_rule_binds_only_what_it_is_about(values):
    assert config.resolve(values)
