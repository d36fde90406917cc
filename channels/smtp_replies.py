"""What an SMTP reply means for the message: one table, read from the top.

RFC 5321 4.2.1: 4yz is transient, 5yz permanent. RFC 3463: an enhanced status code says it more precisely, and its
class counts where both are given. Which stage answered decides whose fault a permanent reply is.
"""

from __future__ import annotations

import re
from enum import StrEnum

from channels.results import NotHandedOver, OperatorFault, Rejected, TryAgain

_ENHANCED = re.compile(r"^([245])\.\d{1,3}\.\d{1,3}\b")


class Stage(StrEnum):
    """The step of the SMTP conversation that was answered."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """The DATA command, or the end of its text: a refusal of either is a known non-delivery."""


# (stages, codes, verdict); None stands for any. The first row that fits counts.
_TABLE: tuple[tuple[frozenset[Stage] | None, range | None, type[NotHandedOver]], ...] = (
    (None, range(421, 422), TryAgain),  # the server closes the connection (RFC 5321 4.2.3)
    (None, range(530, 531), OperatorFault),  # authentication required (RFC 4954)
    (frozenset({Stage.AUTH}), range(400, 500), TryAgain),  # 454: temporary authentication failure
    (frozenset({Stage.AUTH}), None, OperatorFault),
    (frozenset({Stage.STARTTLS}), None, OperatorFault),
    (None, range(400, 500), TryAgain),  # 450, 451: greylisting among others
    (frozenset({Stage.CONNECT, Stage.EHLO}), None, OperatorFault),  # 554: this server does not want us
    (frozenset({Stage.MAIL}), None, OperatorFault),  # our sender address is refused, whoever the recipient is
    (frozenset({Stage.RCPT, Stage.DATA}), range(500, 600), Rejected),
)


def verdict(stage: Stage, code: int, message: str) -> NotHandedOver:
    """The exception that a reply other than success stands for, with reason `smtp_<stage>_<code>`."""
    enhanced = _ENHANCED.match(message)
    effective = int(enhanced[1]) * 100 + code % 100 if enhanced and enhanced[1] != "2" else code
    reason, reply = f"smtp_{stage}_{code}", f"{code} {message}"
    for stages, codes, kind in _TABLE:
        if (stages is None or stage in stages) and (codes is None or effective in codes or code in codes):
            return kind(reason, reply)
    return TryAgain(reason, reply)  # a reply that no RFC knows: surely not an acceptance
