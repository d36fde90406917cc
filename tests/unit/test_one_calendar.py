"""PostgreSQL reads the companies' clocks. Python's time zone rules may differ, so nothing of a company uses them."""

from __future__ import annotations

from tests.support.product import PRODUCT, ROOT, python_files

OWN_RULES = {
    "settings.py": "whether EXPIRY_SCAN_TIMEZONE is a zone",
    "activities/rules.py": "the cooldown, which counts on the schedule's clock: Temporal keeps that",
    "activities/schedule_times.py": "a prediction of the schedule, while Temporal cannot be asked",
    "activities/health/time_zones.py": "the comparison with PostgreSQL's rules",
}


def test_only_the_schedule_and_the_comparison_use_pythons_time_zones() -> None:
    files = [*python_files(*PRODUCT, "workflows", "bench"), *ROOT.glob("*.py")]
    users = {str(file.relative_to(ROOT)) for file in files if "zoneinfo" in file.read_text(encoding="utf-8")}
    assert users == OWN_RULES.keys()
