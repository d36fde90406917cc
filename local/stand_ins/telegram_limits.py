"""Telegram's sending limits, as windows that slide over the messages accepted."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class SendingLimits:
    """How many messages may go to a chat a second, to a group a minute, in all a second. `clock`: seconds."""

    per_chat: int = 1
    per_group_minute: int = 20
    overall: int = 30
    clock: Callable[[], float] = time.monotonic
    _sent: dict[str, deque[float]] = field(default_factory=dict, init=False)
    _all: deque[float] = field(default_factory=deque, init=False)

    def take(self, chat: str) -> int:
        """0 when the message may pass, and it counts then; else the seconds to wait, at least 1."""
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
    """Seconds until one more fits into `allowed` a `period`; 0 or less when it fits now."""
    return sent[-allowed] + period - now if len(sent) >= allowed else 0
