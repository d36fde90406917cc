"""The actions that can be scripted for the SMTP sink, and the stages of the protocol."""

from dataclasses import dataclass
from typing import Literal

from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset

Stage = Literal["connect", "ehlo", "auth", "mail", "rcpt", "data", "dot", "reply"]
"""`dot`: the message has arrived and is not kept yet. `reply`: it is kept and the 250 is not sent yet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Sends this reply instead of the normal one. A positive code also has the normal effect."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        return self.code < 400

    def __str__(self) -> str:
        *first, last = self.text.splitlines() or [""]
        return "\r\n".join([*(f"{self.code}-{line}" for line in first), f"{self.code} {last}"])


@dataclass(frozen=True, slots=True)
class CloseAfter:
    """Sends this reply, then closes the connection."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class EndlessReply:
    """Sends a multi-line reply that never ends."""

    code: int = 250


SmtpAction = Reply | CloseAfter | EndlessReply | Hang | Reset | AcceptThenReset | Proceed
