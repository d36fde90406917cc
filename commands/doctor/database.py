"""Checks of PostgreSQL: whether it is reached, and what is in it."""

from __future__ import annotations

from activities.health.schema import look_at_schema
from commands.doctor.installation import Installation
from commands.doctor.result import Result, failed, of_findings, ok
from db.engine import database_url
from db.errors import DATABASE_ERRORS
from db.revision import newest_revision
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
            "Let DATABASE_URL lead to the primary, not to a standby.",
            version=server.version,
        )
    return ok(f"{server.version}, {place}", version=server.version)


async def look_at_revision(installation: Installation) -> Result:
    """Compares the database's revision with the code's."""
    async with installation.connection():
        pass
    findings = await look_at_schema(await installation.engine())
    return of_findings(findings, f"revision {newest_revision()}, which this release needs", revision=newest_revision())
