"""Sound files elsewhere, on real servers on the loopback: what is fetched, what is tried again, what is said."""

import io
import multiprocessing
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import servers
import soundfile
from servers import Server

from whalelib import audio
from whalelib.audio import files, remote, systems, trouble
from whalelib.errors import InputError

for package in ("fsspec", "aiohttp", "s3fs", "gcsfs", "moto", "boto3"):
    pytest.importorskip(package)

RATE = 48000
BIG = ["big.wav", "big.flac", "uneven.flac"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    servers.forget_logins(monkeypatch)


@pytest.fixture
def pauses(monkeypatch):
    """The waits between tries, noted and not waited for."""
    waited = []
    monkeypatch.setattr(trouble, "pause", waited.append)
    return waited


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Large files of noise, small ones of every sort, and broken ones."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    noise = rng.integers(-16000, 16000, 25_000_000, dtype=np.int16)
    uneven = noise.copy()
    uneven.reshape(-1, 1_000_000)[::2] //= 2000  # a tenth as many bytes a second, which misleads a search
    for name, samples in (("big.wav", noise), ("big.flac", noise), ("uneven.flac", uneven)):
        soundfile.write(folder / name, samples, RATE)
    deep = folder / "deep" / "er"
    deep.mkdir(parents=True)
    four = rng.uniform(-0.5, 0.5, (5 * 8000, 4))
    soundfile.write(folder / "four.wav", four, 8000, subtype="PCM_24")
    soundfile.write(folder / "four.flac", four, 8000, subtype="PCM_24")
    soundfile.write(folder / "with a space.wav", four, 8000, subtype="FLOAT")
    soundfile.write(deep / "LOUD.WAV", noise[:8000], 8000)
    soundfile.write(deep / "a.flac", noise[:8000], 8000)
    soundfile.write(deep / ".hidden.wav", noise[:8000], 8000)
    (deep / "notes.txt").write_text("no sound")
    (folder / "cut.wav").write_bytes((folder / "four.wav").read_bytes()[:200_000])
    (folder / "cut.flac").write_bytes((folder / "four.flac").read_bytes()[:200_000])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("Selection\tView\n" * 50)
    return folder


@pytest.fixture(scope="module")
def running_web(folder):
    server = Server("files", folder)
    yield server
    server.stop()


@pytest.fixture
def web(running_web):
    """The folder on a web server that behaves, until told otherwise."""
    running_web.rules()
    yield running_web
    running_web.rules()


@pytest.fixture(scope="module")
def amazon(folder):
    """The bucket `whales` on a moto server; its answers are counted by a relay."""
    with servers.moto() as moto:
        moto.fill("whales", folder, but="uneven.flac")
        moto.client.put_object(Bucket="whales", Key="private.txt", Body=b"not for everyone")
        relay = Server("relay", moto.port)
        yield relay
        relay.stop()


@pytest.fixture
def s3(amazon, monkeypatch):
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", amazon.url)
    amazon.rules()
    return amazon


def says(call):
    """The one sentence with which a call is refused."""
    with pytest.raises(InputError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", "?"))
    assert error.value.__context__ is None or error.value.__suppress_context__  # no traceback of a library below
    return text


def everything(path, sample_rate):
    return np.concatenate([block.samples for block in audio.stream(path, sample_rate, block_seconds=2.0)])


# What is fetched


@pytest.mark.parametrize("name", BIG)
@pytest.mark.parametrize("onset", [0.0, 100.0, 311.7, 518.8])
def test_a_window_of_a_large_file_costs_little(web, folder, name, onset):
    got = audio.read(f"{web.url}/{name}", onset, 2.0)
    np.testing.assert_array_equal(got, audio.read(folder / name, onset, 2.0))
    assert len(got) == 2 * RATE
    size = (folder / name).stat().st_size
    assert web.sent() < 0.02 * size
    assert len(web.log()) < 25
    if name == "big.wav":  # the header, the window, and the rest of two blocks
        assert web.sent() <= 2 * RATE * 2 + 3 * remote.BLOCK
        assert len(web.log()) <= 3


@pytest.mark.parametrize("name", BIG)
def test_probing_fetches_the_header(web, folder, name):
    found = audio.probe(f"{web.url}/{name}")
    assert found == audio.probe(folder / name)
    assert found.problem == ""
    assert web.sent() <= 2 * remote.BLOCK


@pytest.mark.parametrize("name", ["four.wav", "four.flac", "with%20a%20space.wav"])
@pytest.mark.parametrize("sample_rate", [None, 2000, 11025])
def test_every_window_equals_the_local_one(web, folder, name, sample_rate):
    local = folder / name.replace("%20", " ")
    for onset, seconds, channel in [(0, 1, 1), (1.5, 2, 3), (4.5, 3, 4), (9, 1, 2)]:
        got = audio.read(f"{web.url}/{name}", onset, seconds, sample_rate, channel)
        np.testing.assert_array_equal(got, audio.read(local, onset, seconds, sample_rate, channel))


@pytest.mark.parametrize("name", ["four.wav", "four.flac"])
@pytest.mark.parametrize("sample_rate", [8000, 3000])
def test_a_stream_equals_the_local_one_and_fetches_each_byte_once(web, folder, name, sample_rate):
    np.testing.assert_array_equal(everything(f"{web.url}/{name}", sample_rate), everything(folder / name, sample_rate))
    assert web.sent() == (folder / name).stat().st_size
    assert len(web.log()) <= 8


def test_a_long_stream_is_fetched_in_large_parts(web, folder):
    size = (folder / "big.wav").stat().st_size
    blocks = audio.stream(f"{web.url}/big.wav", RATE)
    local = audio.stream(folder / "big.wav", RATE)
    for block, expected in zip(blocks, local, strict=True):
        np.testing.assert_array_equal(block.samples, expected.samples)
    assert web.sent() == size
    assert len(web.log()) < 40
    assert max(entry[3] for entry in web.log()) <= remote.MOST_AT_ONCE


def test_bytes_come_as_from_a_file_and_none_twice():
    data = np.random.default_rng(1).bytes(500_000)
    asked = []
    far = remote.RemoteFile("memory://x", len(data), lambda start, end: asked.append((start, end)) or data[start:end])
    near, rng = io.BytesIO(data), np.random.default_rng(2)
    for _ in range(300):
        at, count = int(rng.integers(-10, 510_000)), int(rng.integers(0, 40_000))
        whence, at = [(os.SEEK_SET, max(at, 0)), (os.SEEK_CUR, count), (os.SEEK_END, -max(at, 0))][rng.integers(3)]
        if whence != os.SEEK_END or at >= -len(data):
            assert far.seek(at, whence) == near.seek(at, whence)
        if rng.random() < 0.3:
            far.expect(int(rng.integers(1, 100_000)))
        assert far.read(count) == near.read(count)
        assert far.tell() == near.tell()
    assert sum(end - start for start, end in asked) <= len(data)


def test_what_is_kept_is_bounded():
    size = 40 * 1024**2
    far = remote.RemoteFile("memory://x", size, lambda start, end: bytes(end - start))
    far.expect(size)
    assert sum(len(far.read(1024**2)) for _ in range(40)) == size
    assert sum(map(len, far._blocks.values())) <= remote.MOST_KEPT


@pytest.mark.parametrize(("answers", "waited"), [([500, 1000], [0.5]), ([0, 999, 1000], [0.5, 1.0])])
def test_an_answer_that_is_too_short_is_asked_for_again(pauses, answers, waited):
    data, lengths = np.random.default_rng(3).bytes(1000), iter(answers)
    far = remote.RemoteFile("memory://x", 1000, lambda start, end: data[: next(lengths)])
    assert far.read(1000) == data
    assert pauses == waited
    short = remote.RemoteFile("memory://x", 1000, lambda start, end: data[:999])
    assert short.read(1000) == b""
    assert "memory://x could not be read in 4 tries (the connection broke off)" in says(short.raise_failure)


# What is tried again, and what is said


def test_a_busy_server_is_asked_again_after_growing_waits(web, folder, pauses):
    web.rules(fail=4)  # (each try asks twice: HEAD, and GET where that fails)
    got = audio.read(f"{web.url}/four.wav", 1, 2)
    np.testing.assert_array_equal(got, audio.read(folder / "four.wav", 1, 2))
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_stays_busy_is_given_up(web, pauses, status):
    web.rules(fail=-1, status=status)
    assert says(lambda: audio.probe(f"{web.url}/four.wav")) == (
        f"{web.url}/four.wav could not be read in 4 tries (the server answered {status}): "
        "check the connection and try again later."
    )
    assert pauses == [0.5, 1.0, 2.0]
    assert len(web.log()) == 8


@pytest.mark.parametrize(("rule", "times"), [("cut", 2), ("silent", 5)])
@pytest.mark.parametrize("name", ["four.wav", "four.flac"])
def test_a_connection_that_breaks_a_few_times_is_no_harm(web, folder, pauses, rule, times, name):
    web.rules(**{rule: times})  # (aiohttp itself asks again where a connection closes without an answer)
    got = audio.read(f"{web.url}/{name}", 1, 2)
    np.testing.assert_array_equal(got, audio.read(folder / name, 1, 2))
    assert 1 <= len(pauses) <= 2


@pytest.mark.parametrize("name", ["four.wav", "four.flac"])
@pytest.mark.parametrize("above", [0, 20_000])
def test_a_connection_that_breaks_every_time_is_one_sentence(web, folder, pauses, capfd, name, above):
    web.rules(cut=-1, above=above)  # already in the header, or only in the samples
    calls = [lambda: audio.read(f"{web.url}/{name}", 1, 2), lambda: everything(f"{web.url}/{name}", 2000)]
    for call in calls:
        pauses.clear()
        assert "broke off" in (text := says(call)) and f"{web.url}/{name}" in text and "4 tries" in text
        assert pauses == [0.5, 1.0, 2.0]
    web.rules()
    other = "with%20a%20space.wav"
    np.testing.assert_array_equal(audio.read(f"{web.url}/{other}", 0, 1), audio.read(folder / "with a space.wav", 0, 1))
    assert capfd.readouterr().err == ""


def test_a_server_that_never_answers_is_given_up(web, pauses, monkeypatch):
    monkeypatch.setattr(systems, "_ANSWER_SECONDS", 0.1)
    web.rules(slow=0.4)
    assert "no answer in time" in says(lambda: audio.probe(f"{web.url}/four.wav"))
    assert len(pauses) == 3


def test_a_server_that_is_not_there(pauses):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "cannot be reached" in says(lambda: audio.probe(f"http://127.0.0.1:{port}/a.wav"))
    assert len(pauses) == 3


def test_a_missing_file_is_not_asked_for_again(web, pauses):
    text = says(lambda: audio.probe(f"{web.url}/nowhere.wav"))
    assert text == f"{web.url}/nowhere.wav is not there (the server answered 404): check its name, letter for letter."
    assert pauses == []


def test_a_forbidden_file_says_where_a_login_goes(web, pauses):
    web.rules(forbid="four")
    assert "may not be read" in (text := says(lambda: audio.probe(f"{web.url}/four.wav"))) and "~/.netrc" in text
    assert pauses == []


def test_sentences_do_not_repeat_logins_and_signatures(web):
    uri = web.url.replace("//", "//whale:song@") + "/nowhere.wav?signature=secret"
    assert says(lambda: audio.probe(uri)).startswith(f"{web.url}/nowhere.wav is not there")


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "empty.wav", "text.wav"])
def test_broken_files_are_told_as_if_they_were_here(web, folder, name):
    def outcome(path):
        try:
            return str(audio.probe(path)), str(everything(path, 8000)[-5:])
        except InputError as error:
            return str(error)

    assert outcome(f"{web.url}/{name}") == str_with(outcome(str(folder / name)), folder, web.url)


def str_with(outcome, folder, url):
    """A local outcome with the names that files have elsewhere."""
    if isinstance(outcome, tuple):
        return tuple(part.replace(str(folder), url) for part in outcome)
    return outcome.replace(str(folder), url)


def test_a_wav_cut_short_elsewhere_says_how_much_there_is(web, folder):
    whole = (folder / "four.wav").stat().st_size
    problem = audio.probe(f"{web.url}/cut.wav").problem
    assert problem.startswith(f"{web.url}/cut.wav is cut short") and f"{whole - 200_000:,} bytes" in problem


@pytest.mark.parametrize("ranges", ["none", "ignored"])
@pytest.mark.parametrize("name", ["four.wav", "four.flac"])
def test_a_server_without_ranges_is_read_through_once(web, folder, monkeypatch, ranges, name):
    monkeypatch.setattr(remote, "_last_whole", None)
    web.rules(ranges=ranges)
    size = (folder / name).stat().st_size
    for onset in (1, 4, 2.5):
        got = audio.read(f"{web.url}/{name}", onset, 1)
        np.testing.assert_array_equal(got, audio.read(folder / name, onset, 1))
    complete = [entry for entry in web.log() if entry[0] == "GET" and entry[3] == size]
    # Where nothing was said, the header and the first range are asked for before it shows.
    assert len(complete) == (1 if ranges == "none" else 3)


@pytest.mark.parametrize("ranges", ["none", "ignored"])
def test_a_large_file_on_a_server_without_ranges_is_refused(web, folder, monkeypatch, ranges):
    monkeypatch.setattr(remote, "WHOLE_LIMIT", 100_000)
    web.rules(ranges=ranges)
    text = says(lambda: audio.read(f"{web.url}/four.wav", 4, 1))
    assert "gives files only whole" in text and f"{(folder / 'four.wav').stat().st_size:,} bytes" in text


def test_an_interrupt_is_not_lost_in_the_decoder(folder, monkeypatch):
    data = (folder / "four.wav").read_bytes()

    def fetch(start, end):
        if start:
            raise KeyboardInterrupt
        return data[:end]

    monkeypatch.setattr(files, "open_uri", lambda uri: remote.RemoteFile(uri, len(data), fetch))
    with pytest.raises(KeyboardInterrupt):
        audio.read("http://127.0.0.1/four.wav", 2, 1)


# Buckets


@pytest.mark.parametrize("name", ["big.wav", "big.flac"])
def test_a_window_of_a_large_file_in_a_bucket_costs_little(s3, folder, name):
    s3.rules()
    got = audio.read(f"s3://whales/{name}", 311.7, 2.0)
    np.testing.assert_array_equal(got, audio.read(folder / name, 311.7, 2.0))
    assert 2 * RATE < s3.sent() < 0.02 * (folder / name).stat().st_size


@pytest.mark.parametrize("name", ["four.wav", "four.flac", "with a space.wav", "deep/er/LOUD.WAV"])
def test_files_in_a_bucket_are_probed_and_streamed(s3, folder, name):
    assert audio.probe(f"s3://whales/{name}") == audio.probe(folder / name)
    np.testing.assert_array_equal(everything(f"s3://whales/{name}", 2000), everything(folder / name, 2000))


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("s3://whales/nowhere.wav", "is not there"),
        ("s3://seals/a.wav", "is not there"),
        ("s3://whales/private.txt", "may not be read"),
        ("s3://whales/deep", "is a folder"),
        ("s3://whales/empty.wav", "zero bytes"),
        ("s3://whales/text.wav", "cannot be read as sound"),
    ],
)
def test_what_cannot_be_read_in_a_bucket(s3, pauses, uri, word):
    assert word in (text := says(lambda: audio.probe(uri))) and uri in text
    assert pauses == []


def test_a_bucket_that_is_forbidden_or_busy(web, pauses, monkeypatch, capfd):
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", web.url)
    web.rules(forbid="four")
    text = says(lambda: audio.probe("s3://deep/four.wav"))
    assert "s3://deep/four.wav may not be read" in text and "AWS_ACCESS_KEY_ID" in text
    assert pauses == []
    web.rules(fail=-1)
    assert "in 4 tries (the server answered 503)" in says(lambda: audio.probe("s3://deep/er/a.flac"))
    assert len(web.log()) == 4  # the tries are ours alone: those of the libraries below are turned off
    web.rules(cut=-1)
    assert "in 4 tries (the connection broke off)" in says(lambda: audio.read("s3://deep/er/a.flac", 0, 1))
    assert len(web.log()) == 1 + 4
    assert capfd.readouterr().err == ""


def test_a_login_is_used_where_there_is_one(web, folder, monkeypatch):
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", web.url)
    assert audio.probe("s3://deep/er/a.flac") == audio.probe(folder / "deep/er/a.flac")
    assert not any(entry[4] for entry in web.log())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "whale")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "song")
    web.rules()
    assert audio.probe("s3://deep/er/a.flac") == audio.probe(folder / "deep/er/a.flac")
    assert web.log() and all(entry[4] for entry in web.log())


def test_a_google_bucket(web, folder, monkeypatch, capfd):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.url)
    for name in ("a.flac", "LOUD.WAV"):
        local = folder / "deep/er" / name
        assert audio.probe(f"gs://deep/er/{name}") == audio.probe(local)
        np.testing.assert_array_equal(everything(f"gcs://deep/er/{name}", 2000), everything(local, 2000))
    assert "is not there" in says(lambda: audio.probe("gs://deep/er/nowhere.wav"))
    assert audio.list_files("gs://deep/er").files == ["gs://deep/er/LOUD.WAV", "gs://deep/er/a.flac"]
    web.rules(forbid="a.flac")
    text = says(lambda: audio.probe("gs://deep/er/a.flac"))
    assert "may not be read" in text and "GOOGLE_APPLICATION_CREDENTIALS" in text
    assert capfd.readouterr().err == ""


def test_a_window_of_a_google_bucket_costs_little(web, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.url)
    (folder / "bucket").mkdir(exist_ok=True)
    if not (folder / "bucket" / "big.wav").exists():
        os.link(folder / "big.wav", folder / "bucket" / "big.wav")
    try:
        got = audio.read("gs://bucket/big.wav", 311.7, 2.0)
    finally:
        (folder / "bucket" / "big.wav").unlink()
        (folder / "bucket").rmdir()
    np.testing.assert_array_equal(got, audio.read(folder / "big.wav", 311.7, 2.0))
    assert web.sent() < 0.01 * 50_000_000


# Uris of this machine


def test_files_in_memory_and_file_uris(folder):
    import fsspec

    with fsspec.open("memory://pond/four.wav", "wb") as file:
        file.write((folder / "four.wav").read_bytes())
    spaced = (folder / "with a space.wav").as_uri()
    assert "%20" in spaced
    for uri, name in (("memory://pond/four.wav", "four.wav"), (spaced, "with a space.wav")):
        assert audio.probe(uri) == audio.probe(folder / name)
        np.testing.assert_array_equal(audio.read(uri, 1, 2, 3000), audio.read(folder / name, 1, 2, 3000))
    assert audio.list_files("memory://pond").files == ["memory://pond/four.wav"]
    assert audio.is_uri("memory://pond/four.wav") and not audio.is_uri(spaced) and not audio.is_uri(folder)


def test_a_uri_as_a_path_and_an_unknown_scheme_are_told():
    assert "must be given as text" in says(lambda: audio.probe(Path("s3://whales/four.wav")))
    assert "ftp://whales/a.wav" in (text := says(lambda: audio.probe("ftp://whales/a.wav"))) and "s3://" in text


# Listings


def test_listings_are_the_same_everywhere(s3, web, folder):
    here = audio.list_files(folder)
    names = ["big.flac", "big.wav", "cut.flac", "cut.wav", "deep/er/LOUD.WAV", "deep/er/a.flac", "empty.wav"]
    names += ["four.flac", "four.wav", "text.wav", "uneven.flac", "with a space.wav"]
    assert here == ([str(folder / name) for name in names], [])
    assert audio.list_files(folder.as_uri()) == here
    assert audio.list_files(f"{web.url}/") == ([f"{web.url}/{name}" for name in names], [])
    names.remove("uneven.flac")
    assert audio.list_files("s3://whales") == ([f"s3://whales/{name}" for name in names], [])
    assert audio.list_files("s3://whales/deep/", [".flac"]).files == ["s3://whales/deep/er/a.flac"]
    assert audio.list_files(folder, [".TXT"]).files == [str(folder / "deep/er/notes.txt")]


def test_a_folder_that_cannot_be_entered_is_a_problem_and_the_rest_is_listed(web, folder, tmp_path, monkeypatch):
    web.rules(forbid="/deep/")
    files_found, problems = audio.list_files(web.url)
    assert f"{web.url}/four.wav" in files_found and not any("deep" in name for name in files_found)
    assert len(problems) == 1 and f"{web.url}/deep/ may not be read" in problems[0]

    (tmp_path / "shut").mkdir()
    (tmp_path / "a.wav").write_bytes(b"x")
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    files_found, problems = audio.list_files(tmp_path)
    assert files_found == [str(tmp_path / "a.wav")]
    assert problems == [f"{tmp_path / 'shut'} cannot be entered (Permission denied): check its permissions."]


def test_links_that_lead_back_do_not_list_twice(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"x")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert audio.list_files(tmp_path).files == [str(tmp_path / "a" / "x.wav")]


@pytest.mark.parametrize(
    ("uri", "word"),
    [("s3://whales/nowhere", "holds no files"), ("s3://seals/x", "is not there"), ("s3://", "names no bucket")],
)
def test_a_prefix_without_anything_is_refused(s3, uri, word):
    assert word in says(lambda: audio.list_files(uri))


def test_a_folder_that_is_not_there_is_refused(web, tmp_path):
    assert "is no folder" in says(lambda: audio.list_files(tmp_path / "nowhere"))
    assert "is not there" in says(lambda: audio.list_files(f"{web.url}/nowhere/"))


# Processes


def run(script, *args, **environment):
    command = [sys.executable, "-W", "default", "-c", script, *args]
    cwd = Path(audio.__file__).parents[2]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment, timeout=60)


def test_local_files_need_none_of_it(folder):
    script = (
        "import sys; from whalelib import audio; path = sys.argv[1]; audio.probe(path); audio.read(path, 0, 1);"
        "audio.list_files('.'); print(sorted({'fsspec', 'aiohttp', 's3fs', 'gcsfs', 'botocore'} & set(sys.modules)))"
    )
    assert run(script, str(folder / "four.wav")).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("package", "uri"), [("aiohttp", "https://a/b.wav"), ("s3fs", "s3://a/b"), ("gcsfs", "gs://a/b")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(package, uri):
    script = f"import sys; sys.modules[{package!r}] = None; from whalelib import audio; audio.probe({uri!r})"
    said = run(script).stderr.strip().splitlines()[-1]
    assert f"{package} is not installed" in said and "whalelib[cloud]" in said


def test_nothing_is_left_open_at_the_end(s3, web):
    script = (
        "import sys; from whalelib import audio\n"
        "for uri in sys.argv[1:]:\n"
        "    audio.probe(uri); audio.read(uri, 0, 1); next(audio.stream(uri, 2000, block_seconds=0.1))\n"
        "audio.list_files('s3://whales/deep')\n"
        "try:\n"
        "    audio.probe('gs://deep/er/LOUD.WAV')\n"
        "except audio.files.InputError:\n"  # (of which gcsfs would log a traceback)
        "    print('done')"
    )
    web.rules(forbid="LOUD", status=401)
    uris = [f"{web.url}/four.wav", "s3://whales/four.flac", "gs://deep/er/a.flac"]
    done = run(script, *uris, WHALELIB_S3_ENDPOINT=s3.url, STORAGE_EMULATOR_HOST=web.url)
    assert (done.stdout.strip(), done.stderr) == ("done", "")


def window(uri):
    return audio.read(uri, 1, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_threads_and_forked_workers_read_as_well(web, folder):
    uris = [f"{web.url}/four.wav", f"{web.url}/four.flac"] * 3
    expected = [window(folder / uri.rsplit("/", 1)[1]) for uri in uris]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(window, uris)), expected)
    with multiprocessing.get_context("fork").Pool(2) as workers:
        np.testing.assert_array_equal(workers.map_async(window, uris).get(30), expected)
