"""The child with its two sends in the other order: what a careless change would look like."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.sending import KnownDelivery, RecordOutcomeInput, SendNotificationInput, SendNotificationResult
    from workflows.send_notification import SendNotificationWorkflow


@workflow.defn(name="SendNotificationWorkflow")
class ReorderedSendNotificationWorkflow:
    @workflow.run
    async def run(self, input: SendNotificationInput) -> SendNotificationResult:
        steps = SendNotificationWorkflow()
        deliveries = list(reversed(input.to_send()))
        results = await asyncio.gather(*(steps._send(each, input) for each in deliveries))
        known = [
            KnownDelivery(each.delivery_id, each.channel, result)
            for each, result in zip(deliveries, results, strict=True)
        ]
        return await steps._record(RecordOutcomeInput.of(input.notification_id, known), input.give_up_at)
