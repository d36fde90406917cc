"""`resend` and `resolve` without an ID: decide all deliveries that match.

Each delivery is decided in a transaction of its own, so a crash leaves each one decided or not. A second run finds only
what the first one has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, assert_never

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from channels.configured import require_a_channel, send_options
from commands.decidable import ended_without_doubt, in_doubt, reachable
from commands.interventions import startable
from commands.naming import require_named
from commands.output import print_json, print_line, print_table, stderr_console
from commands.running import FAILED, OK, CommandFailed, complain, database, temporal_client, temporal_errors
from contracts.keys import give_up_at
from contracts.sending import ReopenedDelivery
from db.operators import interventions, suppressions
from db.record import reopen
from db.record.filters import DeliveryFilter
from db.record.list import count_by_reason, find_ids
from db.record.reopen import Subject
from settings import Settings, SettingsError
from temporal.start import start_and_mark

Action = Literal["resend", "resolve-resend", "resolve-accepted"]
"""As the table `interventions` has it."""

AT_A_TIME = 8
LEFT_SHOWN = 20
"""Most deliveries that were left as they are, of which people are told the reason one by one."""


@dataclass(frozen=True)
class Decision:
    """What an operator decides, and the one reason for all deliveries."""

    action: Action
    operator: str
    why: str

    @property
    def sends(self) -> bool:
        match self.action:
            case "resend" | "resolve-resend":
                return True
            case "resolve-accepted":
                return False
            case _:
                assert_never(self.action)


@dataclass
class _Outcome:
    done: list[int] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)
    """Those that were left as they are, with the reason."""
    not_started: list[int] = field(default_factory=list)
    """Those of `done` whose workflow could not be started: the next scan does it."""
    trouble: str | None = None
    """Why the workflows could not be started."""


async def show_matching(decision: Decision, wanted: DeliveryFilter, *, as_json: bool) -> int:
    """Shows what `decide_all` would look at. Changes nothing."""
    async with database(Settings.load()) as engine, engine.connect() as connection:
        await require_named(connection, wanted)
        found = await find_ids(connection, wanted)
        counts = await count_by_reason(connection, wanted)
    if as_json:
        print_json({"deliveries": found, "counts": [dict(row) for row in counts], "left": {}})
        return OK
    if counts:
        print_table(list(map(str, counts[0])), [list(row.values()) for row in counts])
    would_be = "sent again" if decision.sends else "recorded as accepted"
    print_line(f"{_deliveries(len(found))} would be {would_be}. `deliveries` with the same filters lists them.")
    return OK


async def decide_all(decision: Decision, wanted: DeliveryFilter, *, as_json: bool) -> int:
    """Decides all deliveries that match now. `resend` lifts a suppression that a delivery's own refusal caused. May
    run twice: what was decided does not match any more, or is left as it is."""
    settings = Settings.load()
    if decision.sends:
        require_a_channel(settings)
    outcome = _Outcome()
    async with database(settings) as engine:
        async with engine.connect() as connection:
            await require_named(connection, wanted)
            found = await find_ids(connection, wanted)
        client = await _client_or_none(outcome) if decision.sends and found else None
        each = _Each(engine, client, settings, decision, outcome)
        try:
            with _progress(decision, len(found)) as progress:
                for first in range(0, len(found), AT_A_TIME):
                    chunk = found[first : first + AT_A_TIME]
                    await asyncio.gather(*map(each.decide, chunk))
                    progress.advance(progress.task_ids[0], len(chunk))
        finally:
            if (tried := len(outcome.done) + len(outcome.left)) < len(found):
                complain(f"Decided {tried} of {len(found)} deliveries. Run the command again for the others.")
    _print(decision, outcome, as_json=as_json)
    return FAILED if outcome.left and not outcome.done else OK


class _Each:
    """Decides one delivery after the other, several at a time."""

    def __init__(
        self, engine: AsyncEngine, client: Client | None, settings: Settings, decision: Decision, outcome: _Outcome
    ) -> None:
        self._engine = engine
        self._client = client
        self._settings = settings
        self._decision = decision
        self._outcome = outcome

    async def decide(self, delivery_id: int) -> None:
        decided = await self._write(delivery_id)
        if isinstance(decided, str):
            self._outcome.left[delivery_id] = decided
            return
        self._outcome.done.append(delivery_id)
        if self._decision.sends:
            await self._start(*decided)

    async def _write(self, delivery_id: int) -> tuple[Subject, datetime] | str:
        """Writes the decision. Returns the delivery with its deadline, or why it is left as it is."""
        action, operator, why = self._decision.action, self._decision.operator, self._decision.why
        now = datetime.now(UTC)
        async with self._engine.connect() as connection, connection.begin() as transaction:
            if action == "resend":
                await suppressions.lift_refusal(connection, delivery_id, operator, why)
            subject = await reopen.read(connection, delivery_id)
            if subject is None:
                return "it is no longer in the record"
            deadline = give_up_at(subject.notification_type, now, subject.item_ends_at, self._settings.give_up_after)
            refused = ended_without_doubt(subject) if action == "resend" else in_doubt(subject)
            if self._decision.sends:
                refused = refused or reachable(subject, deadline, now)
            if refused is not None:
                await transaction.rollback()
                return refused
            if self._decision.sends:
                await reopen.reopen(connection, subject, deadline)
            else:
                await reopen.confirm(connection, subject)
            await interventions.note(connection, subject, action, operator, why)
        return subject, deadline

    async def _start(self, subject: Subject, deadline: datetime) -> None:
        """Has the workflow send it. After a failure it does not try Temporal again: each try takes seconds."""
        if self._client is not None:
            try:
                async with temporal_errors():
                    reopened = ReopenedDelivery(subject.delivery_id, subject.channel)
                    notification = startable(subject, deadline, self._settings)
                    options = send_options(self._settings)
                    await start_and_mark(self._client, options, self._engine, notification, reopened=reopened)
            except (CommandFailed, SettingsError) as error:
                self._client = None
                self._outcome.trouble = str(error)
            else:
                return
        self._outcome.not_started.append(subject.delivery_id)


async def _client_or_none(outcome: _Outcome) -> Client | None:
    try:
        return await temporal_client()
    except (CommandFailed, SettingsError) as error:
        outcome.trouble = str(error)
        return None


@contextmanager
def _progress(decision: Decision, total: int) -> Iterator[Progress]:
    """Shows the progress on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("Sending again" if decision.sends else "Recording", total=total)
        yield progress


def _print(decision: Decision, outcome: _Outcome, *, as_json: bool) -> None:
    if outcome.trouble and outcome.not_started:
        complain(f"{outcome.trouble}. The next scan will send {len(outcome.not_started)} of them.")
    if as_json:
        left = {str(each): outcome.left[each] for each in sorted(outcome.left)}
        print_json(
            {"deliveries": sorted(outcome.done), "left": left, "not_started": sorted(outcome.not_started)},
        )
        return
    print_line(f"{_deliveries(len(outcome.done))} {'reopened' if decision.sends else 'recorded as accepted'}.")
    _print_left(sorted(outcome.left), outcome)


def _print_left(left: Sequence[int], outcome: _Outcome) -> None:
    for delivery_id in left[:LEFT_SHOWN]:
        print_line(f"Delivery {delivery_id} is left as it is: {outcome.left[delivery_id]}.")
    if len(left) > LEFT_SHOWN:
        print_line(f"... and {len(left) - LEFT_SHOWN} more are left as they are; --json lists them all.")


def _deliveries(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"
