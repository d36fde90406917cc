"""Asks whether a package that we depend on has a known vulnerability: `python -m deploy.audit`.

`pip-audit` asks a service on the internet. If it cannot, it says for each package that it was not found and still ends
as if nothing were known against it. Here, what was not checked is said to be so, and never passes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "requirements" / "app.txt", ROOT / "requirements" / "dev.txt")
SERVICES = ("pypi", "osv")
"""Asked in this order, until one has answered for every package."""
OK, VULNERABLE, NOT_CHECKED = 0, 1, 3
PATIENCE = 600.0
"""Seconds for one service."""


@dataclass(frozen=True)
class Audit:
    """What one service said."""

    checked: int
    unchecked: list[str]
    """Packages, or why the service said nothing at all."""
    vulnerable: list[str]
    """A line for each vulnerability."""


def ask(service: str, files: Sequence[Path], options: Sequence[str] = ()) -> Audit:
    """Asks the service about every package of the locked requirements."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--desc", "off", "--vulnerability-service", service, *options]
    for file in files:
        command += ["--requirement", str(file)]
    try:
        ended = subprocess.run(  # noqa: S603 - the command is ours
            command, check=False, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
        packages = json.loads(ended.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return Audit(0, [f"no answer within {PATIENCE:.0f} s"], [])
    except (ValueError, KeyError):
        return Audit(0, [(ended.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]], [])
    return Audit(
        checked=sum("version" in each for each in packages),
        unchecked=sorted({each["name"] for each in packages if "version" not in each}),
        vulnerable=[
            f"{each['name']} {each['version']}: {fault['id']}, "
            f"fixed in {', '.join(fault['fix_versions']) or 'no version'}"
            for each in packages
            for fault in each.get("vulns", [])
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if all packages were checked and none is vulnerable, 1 if one is, 3 if not all were checked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", choices=SERVICES, action="append", help="ask only this service")
    parser.add_argument("--osv-url", help="the URL of a mirror of OSV")
    parser.add_argument("files", nargs="*", type=Path, default=list(FILES), help="locked requirements, with hashes")
    options = parser.parse_args(arguments)
    more = ["--osv-url", options.osv_url] if options.osv_url else []
    best = Audit(0, [], [])
    for service in options.service or SERVICES:
        audit = ask(service, options.files, more)
        best = audit if audit.checked >= best.checked else best
        sys.stdout.writelines(f"{line}\n" for line in audit.vulnerable)
        if audit.vulnerable:
            sys.stdout.write(f"audit: known vulnerabilities: {len(audit.vulnerable)} ({service})\n")
            return VULNERABLE
        if audit.checked and not audit.unchecked:
            sys.stdout.write(f"audit: {audit.checked} packages checked, no known vulnerability ({service})\n")
            return OK
        sys.stdout.write(f"{service}: {audit.checked} packages checked; not checked: {_short(audit.unchecked)}\n")
    sys.stdout.write(f"audit: NOT CHECKED: {best.checked} packages were checked and the others were not\n")
    return NOT_CHECKED


def _short(names: list[str]) -> str:
    shown = ", ".join(name[:100] for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "nothing was listed"


if __name__ == "__main__":
    sys.exit(main())
