"""A send that waits, and what it waits for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.support.scene import PATIENCE, Scene

OPERATORS_TIME = 600
"""Seconds: longer than any test waits."""


async def send_waits_for_the_operator(scene: Scene, reason: str) -> None:
    """One notice is sent, and its mail refused for what only the operator can mend: then nobody's notice fails."""
    scene = scene.with_settings(operator_fault_retry=OPERATORS_TIME)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        notice = (await scene.platform.notifications())[0]  # what may follow it tells the operator
        child = scene.client.get_workflow_handle(notice.workflow_id)
        await scene.telegram.wait_for(1, PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while [each.attempt for each in (await child.describe()).raw_description.pending_activities] != [2]:
                await asyncio.sleep(0.05)  # the server tells nobody
        [email] = (await child.describe()).raw_description.pending_activities
        failure = email.last_failure.application_failure_info
        assert (email.activity_type.name, failure.type) == ("send_email", reason)
        assert failure.next_retry_delay.ToTimedelta() == timedelta(seconds=OPERATORS_TIME)

    deliveries = {each.channel: each for each in await scene.platform.deliveries() if each.notification_id == notice.id}
    mail = deliveries["email"]
    assert (mail.status, mail.reason, mail.attempts, mail.sending_at) == ("pending", reason, 1, None)
    assert deliveries["telegram"].status == "accepted"
