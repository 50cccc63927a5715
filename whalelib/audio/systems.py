"""Where a path points to: this machine, a bucket, a web server; and with which login it is opened.

| uri | access |
|---|---|
| `s3://bucket/key` | anonymous, unless one of AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE or AWS_CONTAINER_CREDENTIALS_*_URI is set; WHALELIB_S3_ENDPOINT (or AWS_ENDPOINT_URL) names a server other than Amazon's |
| `gs://bucket/key` | anonymous, unless GOOGLE_APPLICATION_CREDENTIALS is set |
| `https://`, `http://` | with the proxies of the environment and the logins of ~/.netrc |
| `memory://` | fsspec's files in memory, for tests |
"""  # noqa: E501  (a table)

from __future__ import annotations

import logging
import os
import re
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from whalelib.audio.trouble import WAITS, shown
from whalelib.errors import InputError, needs_extra

SCHEMES = ("s3", "gs", "gcs", "https", "http", "file", "memory")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "https": "aiohttp", "http": "aiohttp"}
_AWS_LOGIN = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_CONNECT_SECONDS, _ANSWER_SECONDS = 15, 30


def scheme_of(path: object) -> str:
    """The scheme of a uri, in lower case; empty for a path on this machine."""
    found = _SCHEME.match(path) if isinstance(path, str) else None
    if found and found[1].lower() not in SCHEMES:
        raise InputError(f"{shown(path)} cannot be read: a uri begins with {', '.join(f'{s}://' for s in SCHEMES)}.")
    return found[1].lower() if found else ""


def is_uri(path: object) -> bool:
    """Does this name a file elsewhere? A path on this machine and a file:// uri do not."""
    return scheme_of(path) not in ("", "file")


def local_path(path: Any) -> Any:
    """The path that a file:// uri names; any other path as it is."""
    return url2pathname(urlsplit(path).path) if scheme_of(path) == "file" else path


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec filesystem of a uri, and the uri's path in it. Its instances are fsspec's to keep: one a process."""
    scheme = scheme_of(uri)
    try:
        import fsspec

        if scheme == "s3":
            system = fsspec.filesystem("s3", **_s3_options())
            system.retries = 1  # trying again is `retried`'s
        elif scheme in ("gs", "gcs"):
            system = _google()
        elif scheme in ("https", "http"):
            # (A packed answer would have another length than the file.)
            headers = {"Accept-Encoding": "identity"}
            system = fsspec.filesystem(scheme, headers=headers, client_kwargs=_client_options())
        else:
            system = fsspec.filesystem(scheme)
    except ImportError:
        raise needs_extra(_PACKAGES.get(scheme, "fsspec"), "cloud") from None
    return system, system._strip_protocol(uri)


def writable(place: str) -> tuple[Any, str]:
    """The fsspec filesystem of any place that can be written to (a folder, s3://, gs://, hf://), and its path in it.

    A bucket of S3 has the endpoint and the login that sounds are read with.
    """
    if place.startswith("s3://"):
        return filesystem(place)
    try:
        import fsspec

        return fsspec.core.url_to_fs(place)
    except ImportError:
        scheme = place.partition(":")[0]
        raise needs_extra(_PACKAGES.get(scheme, scheme), "cloud") from None


def waits_of(uri: str) -> tuple[float, ...]:
    """The waits between tries. gcsfs makes tries of its own (six, with growing waits) that cannot be turned off."""
    return () if uri.lower().startswith(("gs://", "gcs://")) else WAITS


def _s3_options() -> dict[str, Any]:
    options: dict[str, Any] = {
        "anon": not any(os.environ.get(name) for name in _AWS_LOGIN),
        "use_listings_cache": False,  # a file may have grown since
        "config_kwargs": {
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _ANSWER_SECONDS,
            "retries": {"total_max_attempts": 1},
        },
    }
    if endpoint := os.environ.get("WHALELIB_S3_ENDPOINT"):
        options["endpoint_url"] = endpoint
    return options


def _google() -> Any:
    # The plain class: the one that fsspec would choose asks over gRPC what kind of bucket it is before it opens a file.
    from gcsfs.core import GCSFileSystem

    # gcsfs logs the traceback of what it then raises; without any handler that would land on the screen.
    log = logging.getLogger("gcsfs")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    token = "google_default" if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") else "anon"
    return GCSFileSystem(token=token, access="read_only", use_listings_cache=False, session_kwargs=_client_options())


def _client_options() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS)
    return {"timeout": timeout, "trust_env": True}
