"""The routes of projects."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Security
from sqlalchemy.ext.asyncio import AsyncEngine

from api.authentication import API_KEY_SCHEME, actor
from api.database import Turns, limit_lock_wait, transaction_on
from api.problems import documented
from api.requests import NewEnd, Slug
from api.schemas import RenewedProject
from db.items.renew import NoSuchProject, NotRenewable, renew_project

ERRORS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""The statuses that a renewal may answer with, apart from 200."""


def project_routes(engine: AsyncEngine, renewals: Turns) -> APIRouter:
    """Returns the route that renews a project."""
    router = APIRouter(
        prefix="/projects",
        tags=["projects"],
        dependencies=[Security(API_KEY_SCHEME)],
        responses=documented(*ERRORS),
    )

    @router.post("/{slug}/renew")
    async def renew(slug: Slug, new_end: NewEnd, request: Request) -> RenewedProject:
        """Gives the project a later end, and reactivates what was deactivated at the old end.

        Notifications about the old end that are not sent yet are skipped. If the project already has this end, nothing
        changes. If it is archived or already ends later, the answer is 409. While an import or a deactivation is at
        work, the answer may be 503: try again after `Retry-After` seconds.
        """
        now = datetime.now(UTC)
        try:
            async with renewals.take(), transaction_on(engine) as connection:
                await limit_lock_wait(connection)
                why = new_end.why or "renewed"
                renewed = await renew_project(connection, slug, new_end.until, now, actor(request), why)
        except NoSuchProject as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        except NotRenewable as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
        return RenewedProject.model_validate(renewed, from_attributes=True)

    return router
