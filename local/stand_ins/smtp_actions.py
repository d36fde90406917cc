"""What the sink can be told to do, and at which points of the protocol."""

from dataclasses import dataclass
from typing import Literal

from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset

Stage = Literal["connect", "ehlo", "auth", "mail", "rcpt", "data", "dot", "reply"]
"""`dot`: the message is here and nothing is kept yet. `reply`: it is kept and the 250 is not sent yet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """This reply instead of the normal one; a positive code has the normal effect too."""

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
    """This reply, then the server closes the connection."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class EndlessReply:
    """A multi-line reply that never comes to its last line."""

    code: int = 250


SmtpAction = Reply | CloseAfter | EndlessReply | Hang | Reset | AcceptThenReset | Proceed
