"""Every workflow type: what a worker serves, and what a replay covers."""

from __future__ import annotations

from workflows.apply_retention import ApplyRetentionWorkflow
from workflows.check_health import CheckHealthWorkflow
from workflows.daily_summary import DailySummaryWorkflow
from workflows.deactivate_expired import DeactivateExpiredWorkflow
from workflows.resume_channel import ResumeChannelWorkflow
from workflows.scan_expiring import ScanExpiringWorkflow
from workflows.send_notification import SendNotificationWorkflow
from workflows.start_held import StartHeldWorkflow

WORKFLOW_TYPES: list[type] = [
    ApplyRetentionWorkflow,
    CheckHealthWorkflow,
    DailySummaryWorkflow,
    DeactivateExpiredWorkflow,
    ResumeChannelWorkflow,
    ScanExpiringWorkflow,
    SendNotificationWorkflow,
    StartHeldWorkflow,
]
