"""How workflow code runs: in the SDK's sandbox in tests, without it in production."""

from __future__ import annotations

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

SANDBOXED = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("activities", "channels", "contracts")
)
"""For tests and replay: code that cannot be replayed raises. Our own modules are passed through whole, because a
payload's type hints name types from modules that the workflow does not import."""

UNSANDBOXED = UnsandboxedWorkflowRunner()
"""For production. The sandbox reloads a workflow's modules for each workflow. That costs a third of a worker's
processor time, and a running worker would pick up a file that changes on disk."""
