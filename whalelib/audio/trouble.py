"""What went wrong far away: is it worth another try, and which sentence says it.

The libraries below (aiohttp, botocore, gcsfs, httpx) each raise their own errors, often one wrapped in another, so an
error is looked at together with what caused it, and told by its name, so that none of them must be imported.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from whalelib.errors import InputError

WAITS = (0.5, 1.0, 2.0)  # seconds before the second, third and fourth try
pause: Callable[[float], None] = time.sleep  # tests put a clock of their own here

_PASSING_STATUS = {408, 425, 429}  # and every 5xx
_UNREACHED = {
    "ClientConnectorError",
    "ConnectError",
    "ConnectionRefusedError",
    "EndpointConnectionError",
    "ProxyError",
    "gaierror",
}
_TIMED_OUT = {"TimeoutError", "FSTimeoutError", "ConnectTimeoutError", "ReadTimeoutError", "Timeout"}
_CUT = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteRead",
    "IncompleteReadError",
    "ProtocolError",
    "RequestException",
    "ResponseParserError",
    "ResponseStreamingError",
}
_PASSING_ERRNO = {errno.EIO, errno.EBUSY, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT}
_LOGIN = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "HF_TOKEN",
}
_Result = TypeVar("_Result")


class Trouble(NamedTuple):
    """One failure: what it is, and whether it may pass."""

    kind: str  # missing, forbidden, passing or other
    reason: str


def retried(uri: str, call: Callable[[], _Result], waits: tuple[float, ...] = WAITS) -> _Result:
    """What `call` returns; tried again while the trouble may pass, and what remains of it is a sentence."""
    try:
        return insisted(call, waits)
    except InputError:
        raise
    except Exception as error:
        raise InputError(_sentence(shown(uri), diagnosed(error), len(waits) + 1)) from None


def insisted(call: Callable[[], _Result], waits: tuple[float, ...] = WAITS) -> _Result:
    """What `call` returns; tried again after each of the waits while the trouble is one that may pass."""
    for wait in (*waits, None):
        try:
            return call()
        except InputError:
            raise
        except Exception as error:
            if wait is None or diagnosed(error).kind != "passing":
                raise
        pause(wait)
    raise AssertionError("the last try returns or raises")


def diagnosed(error: BaseException) -> Trouble:
    """What an error of one of the libraries below means."""
    chain = _causes(error)
    names = {base.__name__ for one in chain for base in type(one).__mro__}
    status = next((found for one in chain if (found := _status(one))), 0)
    if status in (404, 410):
        return Trouble("missing", f"the server answered {status}")
    if status in (401, 403):
        return Trouble("forbidden", f"the server answered {status}")
    if status in _PASSING_STATUS or status >= 500:
        return Trouble("passing", f"the server answered {status}")
    if "PermissionError" in names or any("Credentials" in n for n in names) or str(error).startswith("Forbidden"):
        return Trouble("forbidden", "access was refused")
    if names & _TIMED_OUT:
        return Trouble("passing", "there was no answer in time")
    if names & _UNREACHED:
        return Trouble("passing", "the server cannot be reached")
    if names & _CUT or any(getattr(one, "errno", None) in _PASSING_ERRNO for one in chain):
        return Trouble("passing", "the connection broke off")
    if "FileNotFoundError" in names:
        return Trouble("missing", "there is no such file")
    lines = str(error).strip().splitlines()
    return Trouble("other", f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__)


def shown(path: object) -> str:
    """A path or uri as a sentence may show it: without the login and the signature that some uris carry."""
    text = str(path)
    if not text.startswith(("http://", "https://")):
        return text
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def login_of(uri: str) -> str:
    """How to give the login of a place."""
    scheme = uri.partition("://")[0]
    return f"set {_LOGIN[scheme]}" if scheme in _LOGIN else "put its login into ~/.netrc"


def _sentence(uri: str, trouble: Trouble, tries: int) -> str:
    if trouble.kind == "missing":
        return f"{uri} is not there ({trouble.reason}): check its name, letter for letter."
    if trouble.kind == "forbidden":
        return f"{uri} may not be read ({trouble.reason}): check its name, or {login_of(uri)}."
    if trouble.kind == "passing":
        often = f" in {tries} tries" if tries > 1 else ""
        return f"{uri} could not be read{often} ({trouble.reason}): check the connection and try again later."
    return f"{uri} cannot be read ({trouble.reason}): check its name."


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__
    return chain


def _status(error: BaseException) -> int:
    """The HTTP status that an error carries, in the place where its library puts it; 0 if it carries none."""
    response: Any = getattr(error, "response", None)
    found: object = None
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    elif hasattr(response, "status_code"):  # httpx, below the hub's client
        found = response.status_code
    elif hasattr(error, "status"):  # aiohttp
        found = error.status
    elif hasattr(error, "code"):  # gcsfs
        found = error.code
    text = str(found)
    return int(text) if text.isdigit() and 400 <= int(text) < 600 else 0
