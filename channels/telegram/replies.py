"""What each answer of Telegram's Bot API means for the message: one table, read from the top.

https://core.telegram.org/bots/api#making-requests, #responseparameters, and the error texts of Telegram's own
server (https://github.com/tdlib/telegram-bot-api). A description is matched by a part of it, in lower case.

Only JSON in the Bot API's form counts as Telegram's answer. Anything else is a page of something on the way, such as a
proxy, and says nothing about a chat.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from channels.base import (
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientGone,
    RecipientMoved,
    Rejected,
    TryAgain,
)

LONGEST_RETRY_AFTER = timedelta(days=3650)
"""A longer retry_after is taken for a mistake: then the retry policy's backoff is used. Any other is obeyed; one that
goes beyond the deadline ends the delivery."""
LONGEST_CHAT_ID = 2**52
"""A chat's id has at most 52 significant bits."""


class Parameters(BaseModel):
    """https://core.telegram.org/bots/api#responseparameters. A value of another form is ignored: the rest counts."""

    retry_after: Annotated[float, Field(strict=True, ge=0, le=LONGEST_RETRY_AFTER.total_seconds())] | None = None
    migrate_to_chat_id: Annotated[int, Field(strict=True, gt=-LONGEST_CHAT_ID, lt=0)] | None = None
    """A supergroup's id is negative."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _none_if_absurd(cls, value: object, validate: ValidatorFunctionWrapHandler) -> object:
        try:
            return validate(value)
        except ValidationError:
            return None


class NoAnswer(StrEnum):
    """Why there was no answer."""

    NOT_CONNECTED = "not_connected"
    """There was no connection, or no free one: nothing was written."""
    LOST = "lost"
    """The connection broke or timed out after the request may have been written."""
    UNREADABLE = "unreadable"
    """Status 200 without a message of the Bot API's form."""


@dataclass(frozen=True)
class Row:
    """One row of the table; the first row that fits gives the `outcome`. None fits any answer."""

    answer: range | NoAnswer | None
    outcome: type[Receipt | NotHandedOver | InDoubt]
    meaning: str
    description: str | None = None
    """Part of the answer's description, in lower case."""
    migrates: bool = False
    """Whether the answer must name the chat's new id."""
    reason: str | None = None
    """None: `telegram_<status>`."""
    page: bool = False
    """Whether the row is for answers that are not in the Bot API's form."""

    def fits(self, answer: int | NoAnswer, description: str, migrates: bool, page: bool) -> bool:
        if self.page and not page:
            return False
        if self.migrates and not migrates:
            return False
        if self.description is not None and self.description not in description.lower():
            return False
        if isinstance(self.answer, range):
            return not isinstance(answer, NoAnswer) and answer in self.answer
        return self.answer is None or self.answer == answer


def _row_without_answer(what: NoAnswer) -> Row:
    match what:
        case NoAnswer.NOT_CONNECTED:
            return Row(what, TryAgain, "No connection: nothing was written")
        case NoAnswer.LOST:
            return Row(what, InDoubt, "The request may have been written, but no answer came")
        case NoAnswer.UNREADABLE:
            return Row(what, InDoubt, "Status 200 without a readable message: Telegram may have it")
        case _:
            assert_never(what)


CLIENT_ERROR = range(400, 500)
TOO_MANY_REQUESTS = "telegram_429"
NOT_TELEGRAM = "telegram_not_telegram"

TABLE: tuple[Row, ...] = (
    Row(range(200, 300), Receipt, "Telegram has the message and returns its message_id"),
    Row(range(400, 401), RecipientMoved, "The group became a supergroup: its new id is saved", migrates=True),
    Row(range(404, 405), OperatorFault, "The token is malformed, or TELEGRAM_API_URL is wrong"),
    Row(
        range(429, 430),
        TryAgain,
        "Something on the way, such as a proxy, takes no more requests",
        reason=NOT_TELEGRAM,
        page=True,
    ),
    Row(
        CLIENT_ERROR,
        OperatorFault,
        "Something on the way, such as a proxy or firewall, refuses the request, or TELEGRAM_API_URL is wrong",
        reason=NOT_TELEGRAM,
        page=True,
    ),
    Row(range(429, 430), TryAgain, "Too many requests: tried again after retry_after, however long that is"),
    Row(range(300, 400), OperatorFault, "TELEGRAM_API_URL redirects to another address"),
    Row(range(401, 402), OperatorFault, "The token is wrong or revoked"),
    Row(
        range(403, 404),
        RecipientGone,
        "The user has blocked the bot",
        "bot was blocked by the user",
        reason="telegram_blocked",
    ),
    Row(
        range(403, 404),
        RecipientGone,
        "The user's account is gone",
        "user is deactivated",
        reason="telegram_deactivated",
    ),
    Row(range(403, 404), RecipientGone, "The group removed the bot", "bot was kicked", reason="telegram_kicked"),
    Row(
        CLIENT_ERROR,
        RecipientGone,
        "The group is gone",
        "the group chat was deleted",
        reason="telegram_chat_deleted",
    ),
    Row(
        range(400, 401),
        RecipientGone,
        "There is no such chat, or it has never contacted the bot",
        "chat not found",
        reason="telegram_chat_not_found",
    ),
    Row(CLIENT_ERROR, Rejected, "Refused for a reason that this table does not list"),
    *map(_row_without_answer, NoAnswer),
    Row(None, TryAgain, "500, 502 and similar: Telegram does not have the message"),
)


def outcome(status: int, description: str, parameters: Parameters) -> NotHandedOver:
    """Returns the outcome of a refusal by Telegram. Its reason is the row's, else `telegram_<status>`."""
    row = _row(status, description, migrates=parameters.migrate_to_chat_id is not None)
    reason, reply = row.reason or f"telegram_{status}", f"{status} {description}".strip()
    if issubclass(row.outcome, RecipientMoved) and parameters.migrate_to_chat_id is not None:
        return RecipientMoved("chat_migrated", str(parameters.migrate_to_chat_id), reply)
    if issubclass(row.outcome, TryAgain):
        after = parameters.retry_after
        return TryAgain(reason, reply, None if after is None else timedelta(seconds=after))
    return _refusal(row, reason, reply)


def outcome_of_page(status: int) -> NotHandedOver:
    """Returns the outcome of an answer that is neither a success nor of the Bot API's form. Its text is not kept: it
    may show the URL, which contains the token."""
    row = _row(status, page=True)
    return _refusal(row, row.reason or f"telegram_{status}", f"{status} (not an answer of the Bot API)")


def without_answer(what: NoAnswer, detail: str) -> NotHandedOver | InDoubt:
    """Returns the outcome of a missing answer, with the reason `telegram_<detail>`."""
    row = _row(what)
    reason = f"telegram_{detail}"
    return InDoubt(reason) if issubclass(row.outcome, InDoubt) else TryAgain(reason)


def _refusal(row: Row, reason: str, reply: str) -> NotHandedOver:
    if issubclass(row.outcome, NotHandedOver) and not issubclass(row.outcome, RecipientMoved):
        return row.outcome(reason, reply)
    return TryAgain(reason, reply)  # the status says success, the answer does not


def _row(answer: int | NoAnswer, description: str = "", *, migrates: bool = False, page: bool = False) -> Row:
    return next(row for row in TABLE if row.fits(answer, description, migrates, page))
