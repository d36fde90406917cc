"""`deactivate`: starts a manual deactivation and follows it."""

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
            f"Deactivated {result.projects} projects and {result.contents} AR content items. "
            f"Opened {result.opened} notifications, started {result.started}."
        )
    ]


DEACTIVATION = ByHand(
    DeactivateExpiredWorkflow.run,
    "deactivate-expired",
    noun="deactivation",
    summary="Deactivate what has ended, by hand",
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
    """Starts a deactivation. Returns 1 if more than SCAN_MAX_NOTICES items had ended, so that it deactivated none."""
    settings = Settings.load()
    input = schedules.deactivation_input(settings, allow_many=allow_many)
    result = await start_and_follow(settings, DEACTIVATION, input, wait=wait, timeout=timeout, as_json=as_json)
    if result is None or not result.too_many:
        return OK
    complain(
        f"Nothing was deactivated: {result.found} items have ended, more than SCAN_MAX_NOTICES "
        f"({settings.scan_max_notices}). List them with `deactivate --dry-run`, then run `deactivate --allow-many`."
    )
    return FAILED
