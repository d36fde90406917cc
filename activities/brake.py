"""The brake of a scan and of a deactivation: more than SCAN_MAX_NOTICES is taken for a mistake."""

from __future__ import annotations

import structlog

from activities.alerts import Alerts

log = structlog.get_logger(__name__)


class Brake:
    """Stops what would go beyond the limit, until an operator allows it, and alerts the operators."""

    def __init__(self, alerts: Alerts, limit: int, *, problem: str, subject: str, message: str) -> None:
        """`problem` is the alert's stable code; `subject` and `message` name `{found}` and `{limit}`."""
        self._alerts = alerts
        self._limit = limit
        self._problem = problem
        self._subject = subject
        self._message = message

    def stops(self, found: int, *, allow_many: bool) -> bool:
        """Whether `found`, this page and those before it together, is too many."""
        return found > self._limit and not allow_many

    async def alert(self, found: int) -> None:
        """Alerts the operators that it was too many."""
        log.error(self._problem, found=found, limit=self._limit)
        numbers = {"found": found, "limit": self._limit}
        await self._alerts.alert(self._problem, self._subject.format(**numbers), self._message.format(**numbers))

    async def release(self) -> None:
        """Says that it is over, if it was alerted before. For a first page, which has counted all there is."""
        await self._alerts.withdraw(self._problem)
