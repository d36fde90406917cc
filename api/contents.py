"""The routes of AR content."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Security
from sqlalchemy.ext.asyncio import AsyncEngine

from api.authentication import API_KEY_SCHEME, actor
from api.database import Turns, limit_lock_wait, transaction_on
from api.problems import documented
from api.projects import ERRORS
from api.requests import NewEnd, Slug
from api.schemas import RenewedContent
from db.items.renew import NotRenewable
from db.items.renew_content import NoSuchContent, renew_content


def content_routes(engine: AsyncEngine, renewals: Turns) -> APIRouter:
    """Returns the route that renews AR content with an end of its own."""
    router = APIRouter(
        prefix="/contents",
        tags=["AR content"],
        dependencies=[Security(API_KEY_SCHEME)],
        responses=documented(*ERRORS),
    )

    @router.post("/{slug}/renew")
    async def renew(slug: Slug, new_end: NewEnd, request: Request) -> RenewedContent:
        """Gives AR content a later end of its own, and reactivates it if it was deactivated at the old end.

        Notifications about the old end that are not sent yet are skipped. If it already has this end, nothing changes.
        The answer is 409 if it has no end of its own, if its project has ended or is archived, or if it already ends
        later. If its project ends earlier, `ends_with_project_at` says when: it ends with the project.
        """
        now = datetime.now(UTC)
        try:
            async with renewals.take(), transaction_on(engine) as connection:
                await limit_lock_wait(connection)
                why = new_end.why or "renewed"
                renewed = await renew_content(connection, slug, new_end.until, now, actor(request), why)
        except NoSuchContent as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        except NotRenewable as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
        return RenewedContent.model_validate(renewed, from_attributes=True)

    return router
