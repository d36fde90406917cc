"""`doctor`: runs all checks side by side, and shows them on one screen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError, RPCStatusCode

from channels.configured import scrub
from commands.doctor.checks import Check, checks
from commands.doctor.installation import Away, Installation
from commands.doctor.report import print_report
from commands.doctor.result import Result, State, failed, not_checked
from commands.running import FAILED, OK
from db.errors import DATABASE_ERRORS
from runtime.probing import NoAnswerInTime, answer_within
from settings import Settings, SettingsError

CHECKED_WITHIN = 8.0
"""Seconds for each check, with the connection to its server."""
_FORBIDDEN = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)


async def doctor(*, strict: bool, as_json: bool) -> int:
    """Examines the installation. Returns 1 if a check failed; with `strict` also if one warns or could not be made."""
    async with Installation(Settings.load()) as installation:
        results = await examine(installation, checks(installation.settings))
    print_report(results, as_json=as_json)
    states = {result.state for _, result in results}
    bad = {State.FAILED, State.WARNING, State.NOT_CHECKED} if strict else {State.FAILED}
    return FAILED if states & bad else OK


async def examine(installation: Installation, wanted: Sequence[Check]) -> list[tuple[str, Result]]:
    """Runs the checks side by side. Returns their names and results, in the same order."""
    results = await asyncio.gather(*(_result_of(each, installation) for each in wanted))
    return [(each.name, result) for each, result in zip(wanted, results, strict=True)]


async def _result_of(check: Check, installation: Installation) -> Result:
    """Returns the check's result. Whatever it raises is a result too."""
    try:
        return _scrubbed(await answer_within(CHECKED_WITHIN, lambda: check.look(installation)))
    except Away as away:
        return not_checked(f"{away}.")
    except NoAnswerInTime:
        return failed(
            f"No answer within {CHECKED_WITHIN:g} s.", "See whether that server is overloaded, then try again."
        )
    except SettingsError as error:
        return failed(f"{error}", "Correct the setting.")  # it quotes no secret
    except RPCError as error:
        if error.status in _FORBIDDEN:
            return not_checked("Temporal does not let this client read it.", "Use a key with the right to read.")
        return _scrubbed(failed(f"Temporal: {error.status.name.lower()}: {one_line(error.message)}", "Try again."))
    except DATABASE_ERRORS as error:
        said = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
        return _scrubbed(failed(f"PostgreSQL: {one_line(said)}", "See the check postgresql and the server's log."))
    except Exception as error:  # noqa: BLE001 - the other checks' results must still be shown
        return _scrubbed(
            failed(f"The check itself failed: {type(error).__name__}: {one_line(error)}", "Please report this.")
        )


def one_line(said: object) -> str:
    return " ".join(str(said).split())


def _scrubbed(result: Result) -> Result:
    return Result(result.state, scrub(result.says), scrub(result.todo), result.details)
