"""The child with its two sends in the other order: what a careless change would look like."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.queues import Channel
    from contracts.sending import RecordOutcomeInput, SendNotificationInput, SendNotificationResult
    from workflows.send_notification import SendNotificationWorkflow


@workflow.defn(name="SendNotificationWorkflow")
class ReorderedSendNotificationWorkflow:
    @workflow.run
    async def run(self, input: SendNotificationInput) -> SendNotificationResult:
        steps = SendNotificationWorkflow()
        telegram, email = await asyncio.gather(steps._send(Channel.TELEGRAM, input), steps._send(Channel.EMAIL, input))
        return await steps._record(RecordOutcomeInput(input.notification_id, email, telegram))
