"""`renew`: gives a project a new end and reactivates what was deactivated."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import assert_never

from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, database
from db.items.renew import NotRenewable, Renewal, renew_project
from db.models import ProjectStatus
from settings import Settings


async def renew(slug: str, until: datetime, operator: str, why: str, *, as_json: bool) -> int:
    """Renews the project until `until`, a time in the future."""
    settings = Settings.load()
    async with database(settings) as engine:
        try:
            async with engine.begin() as connection:
                renewed = await renew_project(connection, slug, until, datetime.now(UTC), operator, why)
        except NotRenewable as error:
            raise CommandFailed(str(error)) from None
    if as_json:
        print_json(asdict(renewed))
    else:
        print_line(_described(renewed))
    return OK


def _described(renewed: Renewal) -> str:
    if not renewed.changed:
        return f"{renewed.slug} already ends at {renewed.expires_at:%Y-%m-%d %H:%M:%S} UTC. Nothing was changed."
    said = [
        (
            f"{renewed.slug} now ends at {renewed.expires_at:%Y-%m-%d %H:%M:%S} UTC "
            f"instead of {renewed.previous_expires_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    ]
    if renewed.reactivated.project:
        contents = renewed.reactivated.contents
        said.append(f"Reactivated, with {contents} AR content {'item' if contents == 1 else 'items'}.")
    elif _is_expired(renewed.status):
        said.append("It stays expired, because this application did not deactivate it. Import it as active instead.")
    if renewed.skipped_deliveries:
        said.append(f"Skipped {renewed.skipped_deliveries} deliveries about the old end.")
    return " ".join(said)


def _is_expired(status: ProjectStatus) -> bool:
    match status:
        case ProjectStatus.EXPIRED:
            return True
        case ProjectStatus.ACTIVE | ProjectStatus.ARCHIVED:
            return False
        case _:
            assert_never(status)
