"""A worker that dies between a page's COMMIT and its report to the server, as if its machine had."""

from __future__ import annotations

import os
import signal

from temporalio import activity

import process
import worker
from activities.due_items import DueItemActivities
from contracts import OpenDueInput, OpenDueResult


class DyingDueItemActivities(DueItemActivities):
    @activity.defn
    async def open_due_notifications(self, input: OpenDueInput) -> OpenDueResult:
        await super().open_due_notifications(input)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("dead by now")


if __name__ == "__main__":
    worker.DueItemActivities = DyingDueItemActivities  # type: ignore[attr-defined]
    process.run(worker.main)
