"""Sources in buckets, on real servers on the loopback: a folder and its copy in a bucket are the same survey."""

import os
import shutil
from pathlib import Path

import layouts
import layouts_logs
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers

from whalelib import clips, sources
from whalelib.audio import trouble
from whalelib.errors import InputError

for package in ("fsspec", "aiohttp", "s3fs", "gcsfs", "moto", "boto3"):
    pytest.importorskip(package)

REVIEWED = {"verdict_column": "Prediction/Comments", "absent_tables": ["allnoise"], "default_label": "humpback"}
TAPES = {"label_column": "species", "group_column": "tape"}


CASES = {
    "raven": ("raven", layouts_logs.detector_reviews, REVIEWED),
    "audacity": ("audacity", layouts_logs.audacity_tracks, {}),
    "noaa_log": ("noaa_log", layouts_logs.noaa_sites, {}),
    "dclde2013": ("dclde2013", layouts_logs.dclde, {"logs": "both"}),
    "clip_folder": ("clip_folder", layouts.labelled, TAPES),
    "kaggle": ("clip_folder", layouts.kaggle_whales, {}),
    "class_folder": ("class_folder", layouts.class_folders, {}),
    "animal_spot": ("class_folder", layouts.animal_spot, {}),
    "rfcx": ("rfcx", layouts.rfcx, {"song_types": True}),
    "birdclef": ("birdclef", layouts.birdclef, {}),
    "hub_disk": ("hub", layouts.hub_disk, {"group_column": "tape"}),
    "hub_parquet": ("hub", layouts.hub_parquet, {}),
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Every layout in a folder of its own."""
    folder = tmp_path_factory.mktemp("sets")
    for name, (_, make, _) in CASES.items():
        make(folder / name)
    return folder


@pytest.fixture(scope="module")
def amazon(sets):
    """The same in the bucket `sets`, which anyone may read."""
    with servers.moto() as moto:
        moto.fill("sets", sets)
        yield moto


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    servers.forget_logins(monkeypatch)
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def s3(amazon, monkeypatch):
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", amazon.url)
    return amazon


def same(there, here, place, folder):
    """Two surveys are one but for where their files lie."""
    assert len(there.recordings) > 1 and len(there.events)
    assert there.fingerprint() == here.fingerprint()
    pd.testing.assert_frame_equal(there.events, here.events)
    assert there.problems == [problem.replace(str(folder), place) for problem in here.problems]
    assert there.exhaustive == here.exhaustive


@pytest.mark.parametrize("name", CASES)
def test_a_set_in_a_bucket_is_the_set_in_the_folder(s3, sets, name):
    source, _, options = CASES[name]
    here, there = (sources.load(source, f"{place}/{name}", **options) for place in (sets, "s3://sets"))
    same(there, here, "s3://sets", sets)
    if source == "hub":  # its sounds lie in rows, and are unpacked here
        assert [Path(path).read_bytes() for path in there.recordings["path"]] == [
            Path(path).read_bytes() for path in here.recordings["path"]
        ]
    else:
        assert list(there.recordings["path"]) == [p.replace(str(sets), "s3://sets") for p in here.recordings["path"]]


@pytest.mark.parametrize("name", CASES)
def test_a_prefix_that_is_not_there_is_one_sentence(s3, name):
    with pytest.raises(InputError, match=r"^s3://sets/nowhere/? holds no files: [^\n]*\.$"):
        sources.load(CASES[name][0], "s3://sets/nowhere/")


def test_an_ocean_is_made_here():
    with pytest.raises(InputError, match=r"s3://sets is not on this machine: [^\n]*\.$"):
        sources.load("synthetic", "s3://sets")


def test_a_google_bucket_will_do_as_well(sets, monkeypatch, tmp_path):
    for name in ("clip_folder", "hub_parquet"):
        shutil.copytree(sets / name, tmp_path / "web" / "pond" / name)
    server = servers.Server("files", tmp_path / "web")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    try:
        for name in ("clip_folder", "hub_parquet"):
            source, _, options = CASES[name]
            here, there = (sources.load(source, f"{place}/{name}", **options) for place in (sets, "gs://pond"))
            same(there, here, "gs://pond", sets)
    finally:
        server.stop()


@pytest.fixture
def web(tmp_path):
    """A web server of two short clips and a long one."""
    for name, rate in (("fin/a.wav", 1000), ("blue/b.wav", 1000), ("fin/long.wav", 48000)):
        layouts.write_sound(tmp_path / "web" / name, 1.0, rate)
    server = servers.Server("files", tmp_path / "web")
    yield server
    server.stop()


def test_a_recording_that_cannot_be_fetched_is_a_sentence_and_the_next_one_is_read(web):
    whole = sources.load("class_folder", web.url)
    assert len(whole.recordings) == 3 and whole.problems == []
    web.rules(forbid="long")
    survey = sources.load("class_folder", web.url)
    assert list(survey.recordings["recording"]) == ["b", "a"]
    (problem,) = survey.problems
    assert f"{web.url}/fin/long.wav may not be read" in problem


def test_a_connection_that_is_cut_while_clips_are_stored_costs_one_clip(web, tmp_path, monkeypatch):
    monkeypatch.setattr(trouble, "pause", lambda seconds: None)
    survey = sources.load("class_folder", web.url)
    folds = pd.Series("train", index=survey.recordings["recording"])
    how = {"exhaustive": True, "clip_seconds": 1.0}
    table = clips.cut(survey.recordings, survey.events, ["fin", "blue"], folds, **how)
    web.rules(cut=-1, above=20_000)  # headers and short clips still come
    store = clips.build_store(
        tmp_path / "store", survey.recordings, survey.events, table, sample_rate=1000, progress=False, **how
    )
    assert store.about["clips"]["train"] == 2
    (problem,) = store.about["problems"]
    assert f"{web.url}/fin/long.wav" in problem and "broke off" in problem


def test_one_table_or_one_file_of_a_set_may_be_named(s3, sets):
    for source, name in (
        ("clip_folder", "clip_folder/labels.csv"),
        ("hub", "hub_parquet/data/train-00000-of-00001.parquet"),
    ):
        here, there = (sources.load(source, f"{place}/{name}") for place in (sets, "s3://sets"))
        same(there, here, "s3://sets", sets)


def test_rows_that_name_a_file_beside_them_in_the_bucket_give_that_file(s3, tmp_path):
    sounds = [{"bytes": None, "path": "clips/a.wav"}, {"bytes": None, "path": "gone.wav"}]
    layouts.write_sound(tmp_path / "clips" / "a.wav")
    pq.write_table(pa.table({"audio": sounds, "label": ["fin", "fin"]}), tmp_path / "set.parquet")
    s3.fill("beside", tmp_path)
    survey = sources.load("hub", "s3://beside")
    assert list(survey.recordings["path"]) == ["s3://beside/clips/a.wav"] and list(survey.events["label"]) == ["fin"]
    assert "(row 1)" in survey.problems[0] and len(survey.problems) == 1


def test_a_set_elsewhere_is_fetched_once_and_again_when_it_changed(s3, sets, tmp_path, monkeypatch):
    from whalelib.audio import remote

    shutil.copytree(sets / "hub_parquet", tmp_path / "set")
    place, fetched = s3.fill("changing", tmp_path / "set"), []
    whole = remote.parts
    monkeypatch.setattr("whalelib.audio.parts", lambda uri: (fetched.append(uri), whole(uri))[1])
    for _ in range(2):
        first = sources.load("hub", place)
        assert len(fetched) == 2
    shard = tmp_path / "set" / "data" / "train-00000-of-00001.parquet"
    s3.client.put_object(
        Bucket="changing", Key="data/test-00000-of-00001.parquet", Body=shard.read_bytes(), ACL="public-read"
    )
    assert sources.load("hub", place).fingerprint() != first.fingerprint()
    assert len(fetched) == 4


def test_a_broken_file_of_a_set_costs_only_its_rows(s3, sets, tmp_path):
    shutil.copytree(sets / "hub_parquet", tmp_path / "set")
    (tmp_path / "set" / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1, or so it says")
    place = s3.fill("broken", tmp_path / "set")
    for where in (tmp_path / "set", place):
        survey = sources.load("hub", where)
        assert len(survey.recordings) == 2
        assert f"{where}/data/test-00000-of-00001.parquet cannot be read" in survey.problems[0]
        assert len(survey.problems) == 1


def test_rows_behind_a_file_that_cannot_be_read_for_once_are_not_taken_for_others(tmp_path, cache):
    """Rows are numbered through the set; when a file comes back, sounds unpacked without it have other numbers."""
    for name, seconds in (("a", (1.0, 1.0)), ("b", (2.0, 3.0)), ("c", (4.0, 5.0))):
        rows = {"wave": [layouts.sound_bytes(s) for s in seconds], "label": ["fin", "blue"]}
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    whole = sources.load("hub", tmp_path)
    shard, kept = tmp_path / "b.parquet", (tmp_path / "b.parquet").read_bytes()
    about = shard.stat()
    shard.write_bytes(b"\0" * len(kept))  # of the same size and time, as after an error of the disk
    os.utime(shard, ns=(about.st_atime_ns, about.st_mtime_ns))
    less = sources.load("hub", tmp_path)
    assert list(less.recordings["seconds"]) == [1.0, 1.0, 4.0, 5.0] and len(less.problems) == 1
    shard.write_bytes(kept)
    os.utime(shard, ns=(about.st_atime_ns, about.st_mtime_ns))
    again = sources.load("hub", tmp_path)
    assert list(again.recordings["seconds"]) == [1.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert again.fingerprint() == whole.fingerprint() and len(list(cache.iterdir())) == 1
