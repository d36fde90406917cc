"""`deactivate`: start a deactivation by hand and follow it."""

from __future__ import annotations

from commands.following import ByHand, start_and_follow
from commands.running import FAILED, OK, complain
from contracts.deactivating import DeactivateExpiredResult
from settings import Settings
from temporal import schedules
from workflows.deactivate_expired import DeactivateExpiredWorkflow


def _sentences(result: DeactivateExpiredResult) -> list[str]:
    return [
        (
            f"Deactivated {result.projects} projects and {result.contents} AR contents, opened {result.opened}, "
            f"started {result.started} notifications."
        )
    ]


DEACTIVATION = ByHand(
    DeactivateExpiredWorkflow.run,
    "deactivate-expired",
    noun="deactivation",
    summary="Switch off what has ended, by hand",
    sentences=_sentences,
    sends=True,
)


async def deactivate(
    *,
    wait: bool,
    timeout: float | None,  # noqa: ASYNC109 - it is a command's option
    allow_many: bool,
    as_json: bool,
) -> int:
    """Starts a deactivation. 1 if it deactivated nothing because it would have been more than SCAN_MAX_NOTICES."""
    settings = Settings.load()
    input = schedules.deactivation_input(settings, allow_many=allow_many)
    result = await start_and_follow(settings, DEACTIVATION, input, wait=wait, timeout=timeout, as_json=as_json)
    if result is None or not result.too_many:
        return OK
    complain(
        f"{result.found} is more than SCAN_MAX_NOTICES ({settings.scan_max_notices}), so nothing was deactivated: "
        "`deactivate --dry-run` lists them, `deactivate --allow-many` deactivates them."
    )
    return FAILED
