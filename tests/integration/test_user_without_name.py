"""A user without an entry in the system's list of users, as in a container that runs under any number."""

from __future__ import annotations

import os

from tests.support.command_line import cli
from tests.support.data import Platform

WITHOUT_ENTRY = """
import pwd, sys

def no_entry(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = no_entry
sys.path.insert(0, "")
import cli
cli.main()
"""
PROGRAM = ("-c", WITHOUT_ENTRY)
NO_NAME = {"HOME": "", "USER": "", "LOGNAME": ""}


async def test_what_such_a_user_does_is_recorded_under_their_number(platform: Platform, database_url: str) -> None:
    await platform.project(await platform.company(), slug="ship")
    environment = NO_NAME | {"DATABASE_URL": database_url}
    ended = await cli("renew", "ship", "--until", "+900d", environment=environment, program=PROGRAM)
    assert (ended.status, ended.err) == (0, "")
    assert await platform.scalar("SELECT operator FROM interventions") == f"uid {os.getuid()}"


async def test_a_database_url_without_a_user_is_named(platform: Platform) -> None:
    environment = NO_NAME | {"DATABASE_URL": "postgresql://db.example/expiry"}
    ended = await cli("notifications", environment=environment, program=PROGRAM)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("cli: DATABASE_URL: names no user")


async def test_help_names_no_user(platform: Platform) -> None:
    ended = await cli("renew", "--help", environment=NO_NAME, program=PROGRAM)
    assert (ended.status, ended.err) == (0, "")
