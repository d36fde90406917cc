"""How workflow code runs: in the SDK's sandbox where it is checked, without it where it works."""

from __future__ import annotations

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

SANDBOXED = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("activities", "channels", "contracts")
)
"""For tests and replay: code that could not be replayed raises. What workflows import of ours is passed through whole,
since a payload's type hints name types of modules that the workflow itself does not import."""

UNSANDBOXED = UnsandboxedWorkflowRunner()
"""For production. The sandbox loads a workflow's modules anew for each workflow: that costs a third of a worker's
processor time, and a file that changes on the disk reaches a running worker."""
