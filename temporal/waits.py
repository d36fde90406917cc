"""Tells a notification's workflow why one of its deliveries waits."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from contracts.sending import DeliveryWaits
from workflows.send_notification import SendNotificationWorkflow

TIMEOUT = timedelta(seconds=5)
"""An attempt must not wait for long before it fails."""


class TemporalWaits:
    """Signals the workflow's run. Implements `TellWorkflow`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, workflow_id: str, run_id: str, waits: DeliveryWaits) -> None:
        handle = self._client.get_workflow_handle_for(SendNotificationWorkflow.run, workflow_id, run_id=run_id)
        await handle.signal(SendNotificationWorkflow.delivery_waits, waits, rpc_timeout=TIMEOUT)
