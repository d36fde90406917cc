"""Companies' clocks. PostgreSQL reads them, so that local dates, days and offsets come from one time zone database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class LocalTime:
    """A moment on a company's clock."""

    clock: datetime
    """What the clock shows, without an offset."""
    utc_offset: timedelta
    is_summer: bool
    """The clock is ahead of the year's other half. A zone's own rules do not say: in Dublin winter is the exception."""
    day: date
    """The day that people name: the first moment of a day is the end of the day before."""

    @property
    def ends_the_day(self) -> bool:
        return self.day < self.clock.date()

    @property
    def moment(self) -> datetime:
        """The moment, with its offset."""
        return self.clock.replace(tzinfo=timezone(self.utc_offset))


def local_time(moment: str, zone: str) -> str:
    """Returns a subquery with the columns of `LocalTime`; `moment` and `zone` are SQL. One row, of nulls without a
    moment.

    The first moment of a day need not be 00:00: some clocks skip it, and some show it twice.
    """
    january, july = _utc_offset("there.year", zone), _utc_offset("(there.year + interval '6 months')", zone)
    return f"""(
        SELECT there.clock, there.utc_offset, there.utc_offset > least({january}, {july}) AS is_summer,
               least(there.clock::date, (({moment} - interval '1 microsecond') AT TIME ZONE {zone})::date) AS day
        FROM (
            SELECT clock, clock - ({moment} AT TIME ZONE 'UTC') AS utc_offset, date_trunc('year', clock) AS year
            FROM (SELECT {moment} AT TIME ZONE {zone}) AS shown (clock)
        ) AS there
    )"""  # noqa: S608 - made of constants


def _utc_offset(clock: str, zone: str) -> str:
    """An expression: the offset while a clock of the zone shows this."""
    return f"({clock} - ({clock} AT TIME ZONE {zone} AT TIME ZONE 'UTC'))"


_LOCAL_TIMES = text("""
SELECT said.moment AT TIME ZONE said.zone
FROM unnest(:moments, :zones) WITH ORDINALITY AS said (moment, zone, place)
ORDER BY said.place
""").bindparams(bindparam("moments", type_=ARRAY(TIMESTAMPTZ)), bindparam("zones", type_=ARRAY(Text)))


async def local_times(connection: AsyncConnection, moments: Sequence[tuple[datetime, str]]) -> list[datetime]:
    """Returns each moment with the offset of its time zone at that time. One statement. Reads only."""
    columns = {"moments": [moment for moment, _ in moments], "zones": [zone for _, zone in moments]}
    clocks = await connection.scalars(_LOCAL_TIMES, columns)
    return [_with_offset(clock, moment) for clock, (moment, _) in zip(clocks, moments, strict=True)]


def _with_offset(clock: datetime, moment: datetime) -> datetime:
    return clock.replace(tzinfo=timezone(clock - moment.astimezone(UTC).replace(tzinfo=None)))


_OFFSETS_IN_USE = text("""
SELECT used.zone,
       array_agg((at.moment AT TIME ZONE used.zone) - (at.moment AT TIME ZONE 'UTC') ORDER BY at.moment) AS offsets
FROM (SELECT DISTINCT timezone AS zone FROM companies) AS used CROSS JOIN unnest(:moments) AS at (moment)
GROUP BY used.zone
ORDER BY used.zone
""").bindparams(bindparam("moments", type_=ARRAY(TIMESTAMPTZ)))


async def offsets_in_use(connection: AsyncConnection, moments: Sequence[datetime]) -> dict[str, list[timedelta]]:
    """Returns the offsets of each company's time zone at these moments, which are in order. Reads only."""
    rows = await connection.execute(_OFFSETS_IN_USE, {"moments": list(moments)})
    return {row.zone: row.offsets for row in rows}
