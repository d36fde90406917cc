"""`deploy/pin-images.sh`, with a stand-in for Docker."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.product import ROOT

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "pin-images.sh", tmp_path / "deploy")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    return tmp_path


async def pin(checkout: Path, docker: str) -> tuple[int, str]:
    """Exit status and stderr. `docker` is what `docker image inspect` prints."""
    programs = checkout / "bin"
    programs.mkdir()
    stand_in = programs / "docker"
    stand_in.write_text(f"#!/bin/sh\necho \"$@\" >> {checkout}/calls\n[ \"$1\" = pull ] || printf '%s' '{docker}'\n")
    stand_in.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "sh",
        checkout / "deploy" / "pin-images.sh",
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    return await process.wait(), err.decode()


async def test_each_image_of_somebody_else_gets_its_digest_beside_its_tag(checkout: Path) -> None:
    assert await pin(checkout, f"mirror.example/any@{DIGEST}\n") == (0, "")
    pinned = yaml.safe_load((checkout / "compose.pinned.yaml").read_text(encoding="utf-8"))
    assert pinned == {
        "services": {
            name: {"image": f"{service['image']}@{DIGEST}"}
            for name, service in SERVICES.items()
            if not service["image"].startswith("expiry-notifier:")
        }
    }
    calls = (checkout / "calls").read_text().splitlines()
    assert {call.split()[-1] for call in calls if call.startswith("pull")} == {
        service["image"].partition("@")[0] for service in (SERVICES[name] for name in pinned["services"])
    }


@pytest.mark.parametrize("docker", ["", "mirror.example/any@sha256:short\n"])
async def test_without_a_digest_nothing_is_written(checkout: Path, docker: str) -> None:
    status, err = await pin(checkout, docker)
    assert status == 1
    assert "Docker names no digest for postgres:" in err
    assert not (checkout / "compose.pinned.yaml").exists()
