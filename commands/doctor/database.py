"""Checks of PostgreSQL: whether it is reached, and what is in it."""

from __future__ import annotations

from activities.health.schema import look_at_schema
from commands.doctor.installation import Installation
from commands.doctor.result import Result, failed, of_findings, ok
from db.engine import database_url
from db.errors import DATABASE_ERRORS
from db.revision import find_revision, newest_revision
from db.server import read_server
from settings import Settings


def _place(settings: Settings) -> str:
    """Returns where the database is, without user and password."""
    url = database_url(settings)
    port = f":{url.port}" if url.port else ""
    return f"database {url.database or ''} at {url.host or url.query.get('host', 'localhost')}{port}"


async def look_at_server(installation: Installation) -> Result:
    """Connects, and asks for the version. Raises `SettingsError`."""
    place = _place(installation.settings)
    try:
        engine = await installation.engine()
        async with engine.connect() as connection:
            server = await read_server(connection)
    except DATABASE_ERRORS as error:
        why = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
        return failed(
            f"{place}: {why}", "Check DATABASE_URL, that the server runs, and that it accepts this user from here."
        )
    if server.read_only:
        return failed(
            f"{server.version}, {place}: it is read-only",
            "Point DATABASE_URL to the primary, not to a standby.",
            version=server.version,
        )
    return ok(f"{server.version}, {place}", version=server.version)


async def look_at_revision(installation: Installation) -> Result:
    """Checks whether the code works on the database's revision."""
    newest = newest_revision()
    async with installation.connection() as connection:
        found = await find_revision(connection)
    findings = await look_at_schema(await installation.engine())
    of_newer = f"revision {found} of a newer release, on which this one (revision {newest}) works"
    says = f"revision {newest}, which this release needs" if found == newest else of_newer
    return of_findings(findings, says, revision=newest, found=found)
