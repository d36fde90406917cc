"""Recognises by its pattern a refusal that is about this installation.

If a provider refuses several recipients alike and accepts hardly anything, the refusal is about us, whatever it says.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from channels.base import Channel, OperatorFault, Rejected
from contracts.sending import Reason
from db.record import refusals
from db.record.claim import Claim

SEVERAL = 3
"""Recipients. Fewer than these are taken to be dead addresses."""
WITHIN = timedelta(minutes=10)
"""Longer by the pause between two attempts, so that what waits is still recognised when it is refused again."""

_MOST_WORDS = 40
_CODE = re.compile(r"\d{3}|\d\.\d{1,3}\.\d{1,3}")


def refused_alike(channel: Channel) -> str:
    """Returns the reason of a delivery that waits because several recipients are refused alike."""
    return f"{channel.name}_refused_alike"


@dataclass
class RefusedAlike:
    """Judges the refusals on one channel.

    It counts the refusals that all workers met, and the messages that this worker handed over: an acceptance costs no
    statement. Just after its start a worker has handed over nothing. Then a refusal is more easily taken to be about
    us, and its delivery only waits.
    """

    channel: Channel
    retry: timedelta
    """The time until the next attempt after a refusal that is about us."""
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Attempts that are refused at the same moment see each other's refusals."""
    _accepted: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=10_000))

    def note_acceptance(self, recipient: str) -> None:
        """Notes that the provider took a message."""
        self._accepted.append((datetime.now(UTC), self.channel.server_of(recipient)))

    async def judge(self, connection: AsyncConnection, claim: Claim, refusal: Rejected) -> Rejected | OperatorFault:
        """Returns the refusal, or an `OperatorFault` if it is about us. Notes it in the record for the next ones.

        What this application refuses itself, before the provider sees it, is never about us.
        """
        if refusal.reason == Reason.INVALID_ADDRESS:
            return refusal
        recipient = claim.recipient or ""
        server = self.channel.server_of(recipient)
        within = WITHIN + self.retry
        async with self._one_by_one:
            others = await refusals.note(connection, claim, _normalised(refusal, server), within)
        refused = len(others) + 1
        if refused < SEVERAL:
            return refusal
        since = datetime.now(UTC) - within
        accepted = [place for at, place in self._accepted if at > since]
        at_one_server = all(self.channel.server_of(other) == server for other in others)
        if len(accepted) < refused or (at_one_server and accepted.count(server) < refused):
            return OperatorFault(refused_alike(self.channel), refusal.reply)
        return refusal


def _normalised(refusal: Rejected, server: str) -> str:
    """Returns what the refusals of several recipients have in common: codes and words, without addresses, numbers and
    the recipient's server."""
    words = (refusal.reply or "").lower().split()[:_MOST_WORDS]
    return " ".join([refusal.reason, *(word for word in words if not _is_its_own(word, server))])


def _is_its_own(word: str, server: str) -> bool:
    if _CODE.fullmatch(word):
        return False
    return "@" in word or any(map(str.isdigit, word)) or (server != "" and server in word)
