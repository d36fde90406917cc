"""For any life of an item: each threshold of each end is told at most once, somebody is told before an end, and what
has ended is switched off once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.rules import LAST_CHANCE_MARGIN
from db.items.due import DueItem
from settings import Settings
from tests.support.data import Platform
from tests.support.deactivations import Deactivations
from tests.support.due_scans import DueScans
from tests.support.renewals import Renewals

DAY = timedelta(days=1)
SCAN_TIME = time(9, tzinfo=UTC)
FIRST_DAY = datetime(2027, 12, 1, tzinfo=UTC)
"""Lives go over new year, the 29th of February 2028 and both changes of the clocks."""
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata")


@dataclass(frozen=True)
class Step:
    """Something that happens so many hours after the item's start."""

    hours: int
    outage_days: int = 0
    """Scans that do not run from then on."""
    end_after_hours: int | None = None
    """The end becomes so many hours after that moment."""
    is_renewal: bool = False
    """Whether an operator renews it so; otherwise the end is corrected, which brings nothing back."""
    thresholds: Sequence[int] | None = None
    reached: bool | None = None
    """Whether a notice from then on is accepted by a channel."""


@dataclass(frozen=True)
class Life:
    zone: str
    starts_at: datetime
    has_start: bool
    hours: int
    thresholds: Sequence[int]
    cooldown_hours: int
    is_content: bool
    steps: Sequence[Step]


thresholds = st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True)
steps = st.builds(
    Step,
    hours=st.integers(1, 60 * 24),
    outage_days=st.sampled_from([0, 0, 1, 3, 10]),
    end_after_hours=st.none() | st.integers(1, 50 * 24),
    is_renewal=st.booleans(),
    thresholds=st.none() | thresholds,
    reached=st.sampled_from([None, True, False]),
)
lives = st.builds(
    Life,
    zone=st.sampled_from(ZONES),
    starts_at=st.integers(0, 150 * 24).map(lambda hours: FIRST_DAY + timedelta(hours=hours)),
    has_start=st.booleans(),
    hours=st.integers(1, 50 * 24),
    thresholds=thresholds,
    cooldown_hours=st.sampled_from([0, 24, 24, 72]),
    is_content=st.booleans(),
    steps=st.lists(steps, max_size=4).map(lambda each: sorted(each, key=lambda step: step.hours)),
)


@dataclass(frozen=True)
class Told:
    at: datetime
    item: DueItem
    accepted: bool


@dataclass
class LivedLife:
    """The item as its platform has it, the scans that ran, and what the application told."""

    life: Life
    ends_at: datetime
    thresholds: Sequence[int]
    reached: bool = True
    is_on: bool = True
    told: list[Told] = field(default_factory=list)
    switched_off: list[datetime] = field(default_factory=list)
    """The ends at which it was."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.life.zone)

    def days_until_end(self, moment: datetime) -> int:
        return (self.ends_at.astimezone(self.zone).date() - moment.astimezone(self.zone).date()).days

    def usable(self) -> list[int]:
        """The thresholds that do not greet: by the calendar, their day comes after the start's."""
        if not self.life.has_start or self.life.starts_at >= self.ends_at:
            return list(self.thresholds)
        return [days for days in self.thresholds if days < self.days_until_end(self.life.starts_at)]

    def crossed(self, moment: datetime) -> int | None:
        """The tightest threshold crossed by then; where there is none to cross, half the life that is over."""
        if usable := self.usable():
            return min((days for days in usable if days >= self.days_until_end(moment)), default=None)
        half = self.life.starts_at + (self.ends_at - self.life.starts_at) / 2
        return self.days_until_end(half) if moment >= half else None

    def is_cooling(self, scan_at: datetime) -> bool:
        accepted = [told.at for told in self.told if told.accepted]
        waits = bool(accepted) and scan_at - max(accepted) < timedelta(hours=self.life.cooldown_hours)
        return waits and self.ends_at > scan_at + DAY + LAST_CHANCE_MARGIN

    def due_at(self, scan_at: datetime) -> int | None:
        """The threshold that a scan at that time tells."""
        crossed = self.crossed(scan_at)
        if crossed is None or not self.is_on or scan_at >= self.ends_at or self.is_cooling(scan_at):
            return None
        told = [told.item.threshold_days for told in self.told if told.item.ends_at == self.ends_at]
        if not self.usable():  # half a life, which is told of only if nothing else was
            return None if told else crossed
        return crossed if crossed < min(told, default=crossed + 1) else None


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=lives)
async def test_whatever_happens_to_an_item(
    engine: AsyncEngine,
    settings: Settings,
    platform: Platform,
    deactivations: Deactivations,
    renew: Renewals,
    life: Life,
) -> None:
    scans = DueScans(engine, settings).with_settings(
        expiry_scan_cron="0 9 * * *", expiry_cooldown_hours=life.cooldown_hours
    )
    lived = LivedLife(life, life.starts_at + timedelta(hours=life.hours), life.thresholds)
    project = await create(platform, lived)
    waiting = list(life.steps)
    scans_off_until = life.starts_at
    scan_at = datetime.combine(life.starts_at.date(), SCAN_TIME) - 2 * DAY
    while waiting or scan_at < lived.ends_at + DAY:
        while waiting and life.starts_at + timedelta(hours=waiting[0].hours) <= scan_at:
            step = waiting.pop(0)
            happened_at = life.starts_at + timedelta(hours=step.hours)
            scans_off_until = max(scans_off_until, happened_at + step.outage_days * DAY)
            await apply(platform, renew, project, lived, step, happened_at)
        if not life.starts_at < scan_at < scans_off_until:
            await scan(platform, scans, lived, scan_at)
            await deactivate(deactivations, lived, scan_at)
        scan_at += DAY
    check(lived)
    await platform.execute("UPDATE projects SET status = 'archived'")
    await platform.execute("UPDATE ar_contents SET is_active = false")


async def create(platform: Platform, lived: LivedLife) -> int:
    life = lived.life
    company = await platform.company(timezone=life.zone)
    project = await platform.project(
        company,
        starts_at=life.starts_at if life.has_start else None,
        expires_at=lived.ends_at + 1000 * DAY if life.is_content else lived.ends_at,
        notify_before_expiry_days=list(lived.thresholds),
    )
    if life.is_content:
        await platform.content(company, project, expires_at=lived.ends_at)
    return project


async def apply(
    platform: Platform, renew: Renewals, project: int, lived: LivedLife, step: Step, happened_at: datetime
) -> None:
    if step.thresholds is not None:
        lived.thresholds = step.thresholds
        await platform.execute(
            "UPDATE projects SET notify_before_expiry_days = :days WHERE id = :project",
            days=list(step.thresholds),
            project=project,
        )
    if step.end_after_hours is not None:
        previous, lived.ends_at = lived.ends_at, happened_at + timedelta(hours=step.end_after_hours)
        if step.is_renewal and not lived.life.is_content and lived.ends_at > previous:
            renewal = await renew(await slug(platform, project), lived.ends_at, now=happened_at)
            assert renewal.reactivated.project is not lived.is_on
            lived.is_on = True
        table, column = ("ar_contents", "project_id") if lived.life.is_content else ("projects", "id")
        await platform.execute(
            f"UPDATE {table} SET expires_at = :ends_at WHERE {column} = :project",  # noqa: S608 - two names of ours
            ends_at=lived.ends_at,
            project=project,
        )
    if step.reached is not None:
        lived.reached = step.reached


async def slug(platform: Platform, project: int) -> str:
    return str(await platform.scalar("SELECT slug FROM projects WHERE id = :project", project=project))


async def scan(platform: Platform, scans: DueScans, lived: LivedLife, scan_at: datetime) -> None:
    items = await scans.find(scan_at)
    due = lived.due_at(scan_at)
    assert [item.threshold_days for item in items] == ([] if due is None else [due])
    assert len(await scans.open(scan_at)) == len(items)
    for item in items:
        assert item.ends_at == lived.ends_at > scan_at
        assert item.days_left == lived.days_until_end(scan_at)
        lived.told.append(Told(scan_at, item, lived.reached))
    if lived.is_on and lived.crossed(scan_at) is not None and scan_at < lived.ends_at and not lived.is_cooling(scan_at):
        assert any(told.item.ends_at == lived.ends_at for told in lived.told)
    status = "accepted" if lived.reached else "rejected"
    await platform.execute("UPDATE deliveries SET status = :status WHERE status = 'pending'", status=status)


async def deactivate(deactivations: Deactivations, lived: LivedLife, now: datetime) -> None:
    """It is switched off once, at the first look after its end, and its company is told so."""
    has_ended = lived.is_on and lived.ends_at <= now
    page = await deactivations.page(now)
    assert (page.projects + page.contents, page.opened) == ((1, 1) if has_ended else (0, 0))
    if has_ended:
        lived.is_on = False
        lived.switched_off.append(lived.ends_at)


def check(lived: LivedLife) -> None:
    """What holds of all that was told, whatever the rules."""
    assert len(lived.switched_off) == len(set(lived.switched_off))
    ends = {told.item.ends_at for told in lived.told}
    for end in ends:
        crossed = [told.item.threshold_days for told in lived.told if told.item.ends_at == end]
        assert all(tighter < looser for looser, tighter in pairwise(crossed))
    if lived.life.has_start:
        born = lived.life.starts_at.astimezone(lived.zone).date()
        for told in lived.told:
            greets = told.at.astimezone(lived.zone).date() <= born
            half = lived.life.starts_at + (told.item.ends_at - lived.life.starts_at) / 2
            assert not greets or told.at >= half
