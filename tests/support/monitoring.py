"""The files in deploy/monitoring."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.product import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS: list[dict[str, Any]] = yaml.safe_load((MONITORING / "rules.test.yml").read_text(encoding="utf-8"))["tests"]

_METRIC = re.compile(r"\b((?:expiry|temporal)_[a-z_]+|up)\b(?!-)")


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard as Prometheus takes it, with its panel's title."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def metrics_in(query: str) -> set[str]:
    return set(_METRIC.findall(re.sub(r'"[^"]*"', '""', query)))
