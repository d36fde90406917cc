"""URLs of the Temporal Web UI."""

from __future__ import annotations

from urllib.parse import quote


def workflows_url(ui_url: str, namespace: str) -> str:
    """Returns the URL of the list of a namespace's workflows."""
    return f"{ui_url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows"


def workflow_url(ui_url: str, namespace: str, workflow_id: str) -> str:
    """Returns the URL of one workflow's page."""
    return f"{workflows_url(ui_url, namespace)}/{quote(workflow_id, safe='')}"


def found_url(ui_url: str, namespace: str, query: str) -> str:
    """Returns the URL of the list of the workflows that match a query."""
    return f"{workflows_url(ui_url, namespace)}?query={quote(query, safe='')}"
