"""When a recording began, as its recorder wrote it into the file's name."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

import pandas as pd

from whalelib.formats.noaa import _zone as zone_of  # one reading of zones for names and logs

__all__ = ["start_from_name", "without_start", "zone_of"]

_ZULU = r"(?!\d)(?P<utc>(\.\d{1,6})?Z)?"

# The first that matches and is a date wins. A time that ends in Z is UTC, whatever the zone of the others.
_STAMPS = [
    # 20090328_001500, 20090328-001500, 20090328T001500Z, 20090328T001500.000Z, 20090328001500
    (re.compile(r"(?<!\d)(?P<day>\d{8})[_T-]?(?P<time>\d{6})" + _ZULU), "%Y%m%d%H%M%S"),
    # 2009-03-28_00-15-00, 2009-03-28T00:15:00Z
    (
        re.compile(r"(?<!\d)(?P<day>\d{4}-\d\d-\d\d)[_T -](?P<time>\d\d[-_:.]?\d\d[-_:.]?\d\d)" + _ZULU),
        "%Y%m%d%H%M%S",
    ),
    # 5678.200315123000 (SoundTrap), 200315_123000, 200315-123000 (years of two digits)
    (re.compile(r"(?<!\d)(?P<day>\d{6})[_-]?(?P<time>\d{6})" + _ZULU), "%y%m%d%H%M%S"),
]


def start_from_name(name: str, zone: str = "UTC") -> pd.Timestamp:
    """The time in a file's name, in UTC; NaT if there is none. `zone` is that of times that do not end in Z.

    An hour that the zone's clocks show twice in autumn is taken for the first of the two.
    """
    here: tzinfo = zone_of(zone)
    found = _stamp(name)
    if found is None:
        return pd.NaT
    stamp, moment = found
    return pd.Timestamp(moment.replace(tzinfo=zone_of("UTC") if stamp["utc"] else here)).tz_convert("UTC")


def without_start(name: str) -> str:
    """What of a file's name is no time, which is the same in all files of a recorder; empty if it has no time."""
    found = _stamp(name)
    return "" if found is None else f"{name[: found[0].start()]}*{name[found[0].end() :]}"


def _stamp(name: str) -> tuple[re.Match[str], datetime] | None:
    """The time in a name, where it stands and as it reads."""
    for pattern, layout in _STAMPS:
        for stamp in pattern.finditer(name):
            digits = re.sub(r"\D", "", stamp["day"] + stamp["time"])
            try:
                moment = datetime.strptime(digits, layout)
            except ValueError:
                continue
            if 1900 <= moment.year <= 2200:  # beyond, it is a serial number (and nanoseconds end in 2262)
                return stamp, moment
    return None
