"""What a scan is pointed at: names that last, patterns, lists, buckets and web servers; and who is whose neighbour."""

import os

import numpy as np
import pandas as pd
import pytest
import servers
from servers import Server
from standins import noise, written

from whalelib import predict
from whalelib.errors import InputError
from whalelib.predict.neighbours import followers


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """Two stations whose files have the same names, a broken file, and what is no sound."""
    folder = tmp_path_factory.mktemp("sea")
    for station in ("st1", "st2"):
        (folder / station).mkdir()
        for minute in range(3):
            written(folder / station / f"REC_20090328_000{minute}00.wav", noise(60.0, seed=minute), subtype="PCM_16")
    (folder / "st1" / "bad.wav").write_bytes(b"")
    (folder / "st1" / "notes.txt").write_text("calm")
    written(folder / "st2" / "odd.wav", noise(1.0)), written(folder / "st2" / "odd.flac", noise(1.0), subtype="PCM_16")
    return folder


def names(*words):
    return predict.inputs(words).recordings["recording"].tolist()


def test_a_recording_is_called_after_its_place(sea):
    assert names(str(sea / "st1")) == [*(f"REC_20090328_000{m}00" for m in range(3)), "bad"]
    both = names(str(sea))
    assert both[0] == "st1__REC_20090328_000000" and "st2__odd.wav" in both and "st2__odd.flac" in both
    assert len(set(both)) == len(both) == 9
    apart = names(str(sea / "st1"), str(sea / "st2"))
    assert len(set(apart)) == 9 and "st2__REC_20090328_000000" in apart
    assert names(str(sea), str(sea / "st1" / "bad.wav"), str(sea / "*" / "bad.wav")) == both  # each only once


def test_what_cannot_be_read_is_a_row_and_its_length_is_not_known(sea):
    table = predict.inputs([str(sea / "st1")]).recordings.set_index("recording")
    assert np.isnan(table["seconds"]["bad"]) and table["sample_rate"]["bad"] == 0
    assert table["start"].iloc[1] == pd.Timestamp("2009-03-28 00:01", tz="UTC")
    moved = predict.inputs([str(sea / "st1")], "UTC-5").recordings["start"]
    assert moved.iloc[1] == pd.Timestamp("2009-03-28 05:01", tz="UTC")


def test_patterns(sea):
    assert names(f"{sea}/*/REC_*0100.wav") == ["st1__REC_20090328_000100", "st2__REC_20090328_000100"]
    assert names(f"{sea}/**/o*.flac") == ["st2__odd"]
    assert len(names(f"{sea}/st*")) == 9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "is not there"),
        (["{sea}/*/*.mp3"], "is not there"),
        (["{sea}/*/*.txt"], "holds no sound file"),
        (["{sea}/none.csv"], "cannot be read"),
        ([], "there is no recording to scan"),
    ],
)
def test_nothing_found_is_an_error(sea, words, says):
    with pytest.raises(InputError, match=says):
        predict.inputs([word.format(sea=sea) for word in words])


def test_a_list_of_recordings(sea, tmp_path):
    path = sea.parent / f"{tmp_path.name}.csv"
    path.write_text(
        "recording,path,channel,start,seconds\n"
        f"one,{sea.name}/st1/REC_20090328_000000.wav,1,2010-01-01T00:00:00Z,\n"
        f",{sea.name}/st2/odd.wav,,,\n"
        f"gone,{sea.name}/st2/gone.wav,,,77.5\n"
    )
    table = predict.inputs([str(path)]).recordings.set_index("recording")
    assert table.index.tolist() == ["one", "odd", "gone"]
    assert table["start"]["one"].year == 2010 and pd.isna(table["start"]["odd"])
    assert table["seconds"].tolist() == [60.0, 1.0, 77.5]
    assert table["listen_channel"].tolist() == [1, 1, 1]
    table.reset_index().to_parquet(path.with_suffix(".parquet"))
    again = predict.inputs([str(path.with_suffix(".parquet"))]).recordings
    assert again["recording"].tolist() == ["one", "odd", "gone"] and again["seconds"].tolist() == [60.0, 1.0, 77.5]
    for text, says in (("file\na.wav\n", "lacks the column"), ("path,start\na.wav,soon\n", "is no time")):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            predict.inputs([str(path)])


def test_names_too_long_or_odd_for_a_file(tmp_path):
    deep = tmp_path / ("a" * 120) / ("b" * 120)
    deep.mkdir(parents=True)
    written(deep / "x.wav", noise(1.0)), written(deep / "y\\z.wav", noise(1.0))
    found = names(str(tmp_path))
    assert len(set(found)) == 2 and all(len(name.encode()) < 200 and "\\" not in name for name in found)


# Elsewhere


@pytest.fixture
def no_login(monkeypatch):
    for package in ("aiohttp", "s3fs", "moto", "boto3"):
        pytest.importorskip(package)
    servers.forget_logins(monkeypatch)


def test_buckets_and_web_servers_are_listed_and_patterns_fit(sea, no_login, monkeypatch):
    local = predict.inputs([str(sea)]).recordings
    with servers.moto() as moto:
        bucket = moto.fill("sea", sea)
        monkeypatch.setenv("WHALELIB_S3_ENDPOINT", moto.url)
        web = Server("files", sea)
        try:
            for place in (bucket, web.url):
                there = predict.inputs([f"{place}/"]).recordings
                columns = ["recording", "seconds", "sample_rate", "start"]
                pd.testing.assert_frame_equal(there[columns], local[columns])
                assert names(f"{place}/st*/REC_*0100.wav") == ["st1__REC_20090328_000100", "st2__REC_20090328_000100"]
                assert names(f"{place}/st2/odd.wav") == ["odd"]
                with pytest.raises(InputError):
                    predict.inputs([f"{place}/st3"])
                assert followers(there).tolist() == followers(local).tolist()
        finally:
            web.stop()


# Neighbours


def test_the_next_file_of_the_same_recorder_goes_on(sea):
    table = predict.inputs([str(sea)]).recordings
    assert followers(table).tolist() == [1, 2, -1, -1, 5, 6, -1, -1, -1]
    assert followers(table.drop(columns="start")).max() == -1


def table_of(*rows, **more):
    frame = pd.DataFrame(rows, columns=["path", "start", "seconds"])
    start = pd.Timestamp("2009-03-28", tz="UTC") + pd.to_timedelta(frame["start"], unit="s")
    return frame.assign(recording=frame["path"], start=start, group="g", sample_rate=200, channels=1, **more)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a.wav", 0, 60), ("b.wav", 60.05, 60)], [1, -1]),
        ([("a.wav", 0, 60), ("b.wav", 60.2, 60)], [-1, -1]),
        ([("b.wav", 60, 60), ("a.wav", 0, 60)], [-1, 0]),  # whatever the order
        ([("a.wav", 0, 60), ("b.wav", 60, 60), ("c.wav", 60, 60)], [-1, -1, -1]),  # it cannot be told which
        ([("d1/a.wav", 0, 60), ("d1/b.wav", 60, 60), ("d2/b.wav", 60, 60)], [1, -1, -1]),
        ([("d1/a.wav", 0, 60), ("d2/a.wav", 0, 60), ("d2/b.wav", 60, 60)], [-1, 2, -1]),
        ([("d1/a.wav", 0, 60), ("d2/b.wav", 60, 60)], [1, -1]),  # a folder a day
        ([("a.wav", 0, np.nan), ("b.wav", 60, 60)], [-1, -1]),
        ([("a.wav", 0, 0.05), ("b.wav", 0.05, 0.05)], [1, -1]),  # shorter than what is no gap: none follows itself
    ],
)
def test_who_goes_on_where_another_ends(rows, expected):
    assert followers(table_of(*rows)).tolist() == expected


def test_other_recorders_are_no_neighbours():
    rows = [("A_20090328_000000_CH1.wav", 0, 60), ("A_20090328_000100_CH2.wav", 60, 60)]
    assert followers(table_of(*rows)).max() == -1
    same = [("A_20090328_000000_CH1.wav", 0, 60), ("A_20090328_000100_CH1.wav", 60, 60)]
    assert followers(table_of(*same)).tolist() == [1, -1]
    for name, values in (("group", ["g", "h"]), ("sample_rate", [200, 400]), ("listen_channel", [1, 2])):
        assert followers(table_of(*same).assign(**{name: values})).max() == -1


def test_a_listing_of_a_folder_that_cannot_be_entered_is_told(tmp_path):
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("only where folders can be closed")
    written(tmp_path / "a.wav", noise(1.0))
    (tmp_path / "closed").mkdir(mode=0)
    assert "cannot be entered" in predict.inputs([str(tmp_path)]).problems[0]
