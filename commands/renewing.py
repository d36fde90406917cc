"""`renew`: gives a project or AR content a new end and reactivates what was deactivated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import assert_never

from commands.naming import named
from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, database
from db.items.renew import NotRenewable, Renewal, renew_project
from db.items.renew_content import ContentRenewal, renew_content
from db.models import ProjectStatus
from settings import Settings


async def renew(name: str, until: datetime, operator: str, why: str, *, as_json: bool, is_content: bool = False) -> int:
    """Renews the project, or the AR content, with this slug or id until `until`, a time in the future."""
    settings = Settings.load()
    now = datetime.now(UTC)
    renewed: Renewal | ContentRenewal
    async with database(settings) as engine:
        async with engine.connect() as connection:
            slug = (await named(connection, "AR content" if is_content else "project", name)).slug
        try:
            async with engine.begin() as connection:
                if is_content:
                    renewed = await renew_content(connection, slug, until, now, operator, why)
                else:
                    renewed = await renew_project(connection, slug, until, now, operator, why)
        except NotRenewable as error:
            raise CommandFailed(str(error)) from None
    if as_json:
        print_json(asdict(renewed))
    else:
        print_line(_described(renewed))
    return OK


def _described(renewed: Renewal | ContentRenewal) -> str:
    if not renewed.changed:
        said = [f"{renewed.slug} already ends at {renewed.expires_at:%Y-%m-%d %H:%M:%S} UTC. Nothing was changed."]
    else:
        said = [
            (
                f"{renewed.slug} now ends at {renewed.expires_at:%Y-%m-%d %H:%M:%S} UTC "
                f"instead of {renewed.previous_expires_at:%Y-%m-%d %H:%M:%S} UTC."
            )
        ]
    match renewed:
        case Renewal():
            said += _of_project(renewed)
        case ContentRenewal():
            said += _of_content(renewed)
    if renewed.skipped_deliveries:
        said.append(f"Skipped {renewed.skipped_deliveries} deliveries about the old end.")
    return " ".join(said)


def _of_project(renewed: Renewal) -> Iterator[str]:
    if renewed.reactivated.project:
        contents = renewed.reactivated.contents
        yield f"Reactivated, with {contents} AR content {'item' if contents == 1 else 'items'}."
    elif renewed.changed and _is_expired(renewed.status):
        yield "It stays expired, because this application did not deactivate it. Import it as active instead."


def _of_content(renewed: ContentRenewal) -> Iterator[str]:
    if renewed.reactivated:
        yield "Reactivated."
    elif renewed.changed and not renewed.is_active:
        yield "It stays inactive, because this application did not deactivate it. Import it as active instead."
    if renewed.ends_with_project_at is not None:
        yield (
            f"But its project {renewed.project} ends earlier, at {renewed.ends_with_project_at:%Y-%m-%d %H:%M:%S} UTC, "
            "and ends it too: renew the project as well."
        )


def _is_expired(status: ProjectStatus) -> bool:
    match status:
        case ProjectStatus.EXPIRED:
            return True
        case ProjectStatus.ACTIVE | ProjectStatus.ARCHIVED:
            return False
        case _:
            assert_never(status)
