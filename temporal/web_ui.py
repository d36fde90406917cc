"""Where the Temporal Web UI shows a workflow."""

from __future__ import annotations

from urllib.parse import quote


def workflows_url(ui_url: str, namespace: str) -> str:
    """The list of a namespace's workflows."""
    return f"{ui_url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows"


def workflow_url(ui_url: str, namespace: str, workflow_id: str) -> str:
    """The page of one workflow."""
    return f"{workflows_url(ui_url, namespace)}/{quote(workflow_id, safe='')}"
