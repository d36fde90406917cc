"""The server that `make production-check` builds is the one that docker-compose.yml runs."""

from __future__ import annotations

import yaml

from local.embedded.temporal_build import VERSION
from tests.support.product import ROOT


def test_it_is_of_the_same_version() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert services["temporal"]["image"] == f"temporalio/server:{VERSION}"
