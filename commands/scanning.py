"""`scan`: start one by hand and follow it."""

from __future__ import annotations

from collections.abc import Iterator

from commands.following import ByHand, start_and_follow
from commands.running import FAILED, OK, complain
from contracts.scanning import ScanExpiringResult
from settings import Settings
from temporal import schedules
from workflows.scan_expiring import ScanExpiringWorkflow


def _sentences(result: ScanExpiringResult) -> Iterator[str]:
    yield f"Found {result.found} due, opened {result.opened}, started {result.started} notifications."
    if result.recovered:
        yield f"{result.recovered} open notifications had lost their workflow: started again, or settled."


SCAN = ByHand(
    ScanExpiringWorkflow.run,
    "scan-expiring",
    noun="scan",
    summary="Scan for expiring projects, by hand",
    sentences=_sentences,
    sends=True,
)


async def scan(
    *,
    wait: bool,
    timeout: float | None,  # noqa: ASYNC109 - it is a command's option
    allow_many: bool,
    as_json: bool,
) -> int:
    """Starts a scan. 1 if it opened nothing because it would have been more than SCAN_MAX_NOTICES."""
    settings = Settings.load()
    input = schedules.scan_input(settings, allow_many=allow_many)
    result = await start_and_follow(settings, SCAN, input, wait=wait, timeout=timeout, as_json=as_json)
    if result is None or not result.too_many:
        return OK
    complain(
        f"{result.found} is more than SCAN_MAX_NOTICES ({settings.scan_max_notices}), so no notification was opened: "
        "`scan --dry-run` lists them, `scan --allow-many` opens them."
    )
    return FAILED
