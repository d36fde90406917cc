"""Telegram's sending limits, as sliding windows over the accepted messages."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class SendingLimits:
    """The most messages per second to a chat, per minute to a group, and per second in total. `clock`: seconds."""

    per_chat: int = 1
    per_group_minute: int = 20
    overall: int = 30
    clock: Callable[[], float] = time.monotonic
    _sent: dict[str, deque[float]] = field(default_factory=dict, init=False)
    _all: deque[float] = field(default_factory=deque, init=False)

    def take(self, chat: str) -> int:
        """Return 0 and count the message if it may pass. Else return the seconds to wait, at least 1."""
        now = self.clock()
        sent = self._sent.setdefault(chat, deque())
        waits = [_wait(self._all, self.overall, 1, now), _wait(sent, self.per_chat, 1, now)]
        if chat.startswith("-"):
            waits.append(_wait(sent, self.per_group_minute, 60, now))
        if (wait := max(waits)) > 0:
            return max(1, math.ceil(wait))
        for window, keep in ((self._all, self.overall), (sent, max(self.per_chat, self.per_group_minute))):
            window.append(now)
            while len(window) > keep:
                window.popleft()
        return 0


def _wait(sent: deque[float], allowed: int, period: float, now: float) -> float:
    """Seconds until one more message fits into `allowed` per `period`. 0 or less: it fits now."""
    return sent[-allowed] + period - now if len(sent) >= allowed else 0
