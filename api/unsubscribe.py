"""Unsubscribes by the link in an e-mail: in one click (RFC 8058), or on a page that asks first."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from api.accept import wants_page
from api.database import connection_to
from api.pages.page import HEADERS, Page
from api.pages.unsubscribing import UnsubscribePages
from api.problems import Unavailable, problem
from channels.email import unsubscribe_links
from channels.email.plan import EMAIL
from channels.email.unsubscribe_links import InvalidLink, UnsubscribeLinks
from contracts.sending import Reason
from db.operators import suppressions
from db.operators.suppressions import Addressee
from settings import Settings

LONGEST_TOKEN = 500
"""Characters. Our tokens have about 90."""
LONGEST_LANGUAGE = 100
"""Characters of Accept-Language that are read: its first language."""

log = structlog.get_logger(__name__)


def unsubscribe_routes(settings: Settings, engine: AsyncEngine) -> APIRouter:
    """Returns the routes. Only POST changes anything, since mail scanners open every link. Raises `LanguageError`,
    and `SettingsError` if SUPPORT_EMAIL is missing, or the secret of the links."""
    router = APIRouter(prefix=unsubscribe_links.PATH.rstrip("/"), include_in_schema=False)
    support = settings.needed("support_email")
    if settings.public_url is not None:
        settings.needed_secret("unsubscribe_secret", " when PUBLIC_URL is set; it signs the unsubscribe links")
    pages = UnsubscribePages()

    def links() -> UnsubscribeLinks:
        """Reads the current secret. Raises `InvalidLink` if there is none."""
        try:
            secret = settings.secret("unsubscribe_secret")
        except ValueError as error:
            log.error("unsubscribe_secret_unreadable", error=str(error))
            raise Unavailable("The link cannot be checked.") from None
        if secret is None:
            raise InvalidLink
        return UnsubscribeLinks(secret)

    async def holder(token: str, *, unsubscribes: bool) -> Addressee:
        """Returns the owner of the link, and unsubscribes them if asked to. Raises `InvalidLink`."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidLink
        known = links()
        opened = known.open(token)
        async with connection_to(engine) as connection:
            addressee = await suppressions.read_addressee(connection, opened.delivery_id, EMAIL.name)
            if addressee is None or not known.is_for(opened, addressee.recipient):
                raise InvalidLink
            if unsubscribes:
                await suppressions.unsubscribe(connection, opened.delivery_id, addressee.recipient)
                log.info("unsubscribed", delivery_id=opened.delivery_id)
        return addressee

    async def answer(request: Request, token: str, *, unsubscribes: bool) -> Response:
        try:
            addressee = await holder(token, unsubscribes=unsubscribes)
        except InvalidLink:
            return _failure(request, HTTPStatus.NOT_FOUND, pages.invalid(_language(request), support))
        except Unavailable:
            return _failure(request, HTTPStatus.SERVICE_UNAVAILABLE, pages.away(_language(request)))
        address = _masked(addressee.recipient)
        if unsubscribes or addressee.suppressed == Reason.UNSUBSCRIBED:
            return pages.done(addressee.locale, address, support).response(HTTPStatus.OK)
        return pages.question(addressee.locale, address, addressee.company).response(HTTPStatus.OK)

    @router.api_route("/{token}", methods=["GET", "HEAD"])
    async def ask(request: Request, token: str) -> Response:
        """Asks whether to unsubscribe. Changes nothing."""
        return await answer(request, token, unsubscribes=False)

    @router.post("/{token}")
    async def unsubscribe(request: Request, token: str) -> Response:
        """Unsubscribes, whatever the body is: RFC 8058 allows two kinds of form. May run twice."""
        await request.body()  # raises if it is too large
        return await answer(request, token, unsubscribes=True)

    return router


def _failure(request: Request, status: HTTPStatus, page: Page) -> Response:
    """Returns a page for a browser, and a problem document for others."""
    if wants_page(request):
        return page.response(status)
    return problem(status, " ".join(page.paragraphs), HEADERS)


def _language(request: Request) -> str:
    """The browser's preferred language, for when the link's owner is unknown."""
    header = request.headers.get("Accept-Language", "")[:LONGEST_LANGUAGE]
    return header.split(",")[0].split(";")[0].strip().lower()


def _masked(address: str) -> str:
    """Masks an address so that its owner recognises it and others cannot use it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
