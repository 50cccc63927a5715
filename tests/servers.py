"""Servers for tests, each a process of its own: the small one of soundserver.py, and moto's S3."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).with_name("soundserver.py")


class Server:
    """A server as a process of its own, and the test's word with it."""

    def __init__(self, kind, what):
        command = [sys.executable, str(SERVER), kind, str(what)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ports = self.process.stdout.readline().split()
        self.url, self.control = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[-1]}"

    def rules(self, **rules):
        request = urllib.request.Request(f"{self.control}/_rules", json.dumps(rules).encode(), method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()

    def log(self):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.control}/_log") as answer:
            return json.load(answer)

    def sent(self):
        return sum(entry[3] for entry in self.log())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Moto:
    """An S3-compatible server on the loopback, and a client that may write to it."""

    def __init__(self, port):
        import boto3

        self.port, self.url = port, f"http://127.0.0.1:{port}"
        login = {"aws_access_key_id": "whale", "aws_secret_access_key": "song", "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=self.url, **login)

    def fill(self, bucket, folder, but=""):
        """A bucket of everything below a folder, for everyone to read; gives its uri."""
        self.client.create_bucket(Bucket=bucket)
        for path in folder.rglob("*"):
            if path.is_file() and path.name != but:
                key = path.relative_to(folder).as_posix()
                self.client.upload_file(str(path), bucket, key, ExtraArgs={"ACL": "public-read"})
        return f"s3://{bucket}"


@contextmanager
def moto():
    """A running `moto_server`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    running = Moto(port)
    try:
        yield running
    finally:
        running.client.close()
        process.terminate()
        process.wait(10)


def forget_logins(monkeypatch):
    """No login and no proxy of the machine reaches the tests."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "GOOGLE_", "GCS", "FSSPEC_", "WHALELIB_S3"))]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
