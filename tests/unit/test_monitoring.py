"""The dashboard and the alert rules as files: what can be known without Grafana and Prometheus."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

from activities.metrics import ALL
from tests.support.monitoring import DASHBOARD, MONITORING, RULES, TESTS, dashboard_queries, metrics_in

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
QUERIES = [*(query for _, query in dashboard_queries()), *(rule["expr"] for rule in RULES)]


def series_of(name: str, kind: str) -> set[str]:
    return {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    def apart(place: str, size: str) -> bool:
        return one[place] + one[size] <= other[place] or other[place] + other[size] <= one[place]

    return not apart("x", "w") and not apart("y", "h")


def test_every_panel_has_a_place_a_title_and_an_explanation() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert not [1 for one, other in combinations(panels, 2) if overlap(one["gridPos"], other["gridPos"])]
    for panel in panels:
        assert panel["title"]
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", []))


def test_queries_ask_for_metrics_that_there_are_and_for_every_one_of_ours() -> None:
    asked = {name for query in QUERIES for name in metrics_in(query)}
    ours = {name for metric in ALL for name in series_of(metric.name, metric.kind)}
    assert {name for name in asked if name.startswith("expiry_")} <= ours
    unseen = {metric.name for metric in ALL if not asked & series_of(metric.name, metric.kind)}
    assert unseen == {"expiry_state_reader"}  # it says which process reads, and nothing is wrong with any


def test_each_alert_is_seen_to_fire_and_is_explained() -> None:
    fired = {case["alertname"] for test in TESTS for case in test.get("alert_rule_test", []) if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert f"| `{rule['alert']}` |" in PAGE
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_example_scrapes_what_the_rules_and_the_page_name() -> None:
    example = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    for job, port in (("expiry-worker", 9464), ("expiry-api", 9465)):
        assert job in example
        assert f"127.0.0.1:{port}" in example
        assert f"127.0.0.1:{port}" in PAGE
