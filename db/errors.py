"""What an error of the database means, decided by its SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

from __future__ import annotations

from enum import StrEnum

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a use of the database may raise, also while it connects and when the time is up (`TimeoutError` is an
OSError)."""


class Trouble(StrEnum):
    """What to do after an error of the database."""

    UNWRITABLE = "unwritable"
    """The value cannot be written, now or later: end what needed it."""
    WAIT = "wait"
    """The database is away or busy: wait."""
    OURS = "ours"
    """Schema, grants and statement do not match: wait, and alert the operators."""


READ_ONLY = "25006"
_WRONG_VALUE = "22"
_UNWRITABLE = frozenset({_WRONG_VALUE, "23", "54000"})
_WAIT = frozenset({"08", READ_ONLY, "25P03", "25P04", "26", "40", "53", "55", "57", "58"})
_GONE = frozenset({"08", READ_ONLY, "57P01", "57P02", "57P03", "57P04", "57P05"})


def trouble_of(error: BaseException) -> Trouble:
    """Returns what an error of the database means. Without a SQLSTATE the connection is at fault, not the statement."""
    state = sqlstate_of(error)
    if state is None:
        connection = isinstance(error, (DBAPIError, PoolTimeout, OSError, asyncpg.InterfaceError))
        return Trouble.WAIT if connection else Trouble.OURS
    if _is_one_of(state, _UNWRITABLE):
        return Trouble.UNWRITABLE
    return Trouble.WAIT if _is_one_of(state, _WAIT) else Trouble.OURS


def means_another_server(error: BaseException) -> bool:
    """Whether the server behind the connection is gone or read-only, as after a failover. Then all connections that
    were opened before are useless."""
    state = sqlstate_of(error)
    return state is not None and _is_one_of(state, _GONE)


def sqlstate_of(error: BaseException) -> str | None:
    """Returns the SQLSTATE. None: neither PostgreSQL nor asyncpg gave one."""
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return state if isinstance(state, str) else None


def describe(error: BaseException) -> str:
    """Returns the kind of error for a log, such as `IntegrityError 23505`. It quotes no value."""
    state = sqlstate_of(error)
    name = type(error).__name__
    return name if state is None else f"{name} {state}"


def hide_values(error: BaseException) -> None:
    """Removes from an error and its causes what may quote a value: what PostgreSQL says beside its message, and all
    that is said about a wrong value."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or (cause.orig if isinstance(cause, DBAPIError) else None)
    for each in reversed(chain):  # a wrapper quotes what it wraps
        _hide_values(each)


def _hide_values(error: BaseException) -> None:
    if isinstance(error, DBAPIError):
        wrapped = error.orig
        error.args = (f"({type(wrapped).__module__}.{type(wrapped).__name__}) {wrapped}", *error.args[1:])
        return
    for attribute in ("detail", "hint", "context", "internal_query"):
        if getattr(error, attribute, None):
            setattr(error, attribute, None)
    state = sqlstate_of(error)
    if state is not None and _is_one_of(state, frozenset({_WRONG_VALUE})):
        error.args = (f"SQLSTATE {state}: a value cannot be written",)
    elif state is not None and error.args:
        error.args = (str(error.args[0]).partition("\nDETAIL:")[0], *error.args[1:])


def _is_one_of(state: str, states: frozenset[str]) -> bool:
    """Whether the state or its class, the first two characters, is listed."""
    return state in states or state[:2] in states
