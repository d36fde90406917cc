"""The programs of a release, as processes on a scene's servers."""

from __future__ import annotations

import tarfile
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from db.revision import newest_revision
from local.programs import CHECKOUT, Ended, run_to_end
from tests.support.scene import Scene
from tests.support.worker_process import WORKER, WorkerProcess, environment, worker_process

RELEASES = CHECKOUT / "tests" / "upgrade" / "releases"
"""Their programs, by `git archive`. They are kept here since a shallow clone has no history to take them from."""
REVISIONS = {"0.3.0": "0003", "0.4.0": "0004", "0.5.0": "0008"}
"""The releases that an installation may come from, and the revision of each one's schema."""


@dataclass(frozen=True)
class Release:
    """A checkout. Its programs run with this Python, so its requirements have to be among today's."""

    checkout: Path
    revision: str
    """Of its schema."""

    async def cli(self, scene: Scene, *arguments: str) -> Ended:
        return await run_to_end(
            ("cli.py", *arguments), environment=environment(scene.client, scene.settings), checkout=self.checkout
        )

    async def well(self, scene: Scene, *arguments: str) -> str:
        """The command's stdout. Raises AssertionError unless it ends with status 0."""
        ended = await self.cli(scene, *arguments)
        assert ended.status == 0, f"cli.py {' '.join(arguments)}: {ended.out}{ended.err}"
        return ended.out

    def worker(self, scene: Scene, *arguments: str) -> AbstractAsyncContextManager[WorkerProcess]:
        """Its worker, once it is ready. What is left of it at the end is killed."""
        return worker_process(scene, (*WORKER, *arguments), self.checkout)


TODAY = Release(CHECKOUT, newest_revision())


def earlier_release(version: str, folder: Path) -> Release:
    """The release, unpacked into the folder."""
    with tarfile.open(RELEASES / f"{version}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    return Release(folder, REVISIONS[version])
