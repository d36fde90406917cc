"""import-linter's contracts name every channel there is."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_channel_is_left_out_of_the_rule_that_one_does_not_know_another() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [modules] = [
        contract["modules"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
    ]
    assert modules == [f"channels.{plan.parent.name}" for plan in sorted((ROOT / "channels").glob("*/plan.py"))]
