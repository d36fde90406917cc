"""Companies' clocks without a database, for zones on which all agree, and zones on which this process disagrees."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from db.clocks import LocalTime


def on_clock(moment: datetime, zone: str) -> LocalTime:
    """As PostgreSQL reads it."""
    there = moment.astimezone(ZoneInfo(zone))
    clock, offset = there.replace(tzinfo=None), there.utcoffset()
    before = (moment - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    halves = [there.replace(month=month, day=1).utcoffset() for month in (1, 7)]
    assert offset is not None
    return LocalTime(
        clock=clock,
        utc_offset=offset,
        is_summer=any(half is not None and half < offset for half in halves),
        day=min(clock.date(), before.date()),
    )


@contextmanager
def other_rules(folder: Path, zone: str, rules_of: str) -> Iterator[None]:
    """To this process the zone has the rules of another one. `folder` is empty."""
    before = zoneinfo.TZPATH
    sources = [Path(each) / rules_of for each in before]
    file = folder / zone
    file.parent.mkdir(parents=True)
    file.write_bytes(next(source for source in sources if source.exists()).read_bytes())
    zoneinfo.reset_tzpath([folder, *before])
    ZoneInfo.clear_cache()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(before)
        ZoneInfo.clear_cache()
