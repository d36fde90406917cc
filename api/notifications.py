"""The routes of notifications. One of them has a page for people too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response, Security
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.accept import wants_page
from api.authentication import API_KEY_SCHEME, BASIC_SCHEME, actor, caller
from api.database import connection_to
from api.idempotency import HEADER, LONGEST_KEY, idempotency_key
from api.pages.page import Page
from api.pages.record import Links, moments, record_page
from api.problems import documented
from api.queries import NotificationQuery, next_cursor
from api.requests import MAX_BIGINT, NewTestNotification
from api.schemas import Notification, NotificationDetail, NotificationPage, StartedTest
from api.starting import TestStarter
from db.clocks import local_times
from db.record.list import list_flat, read_flat
from db.record.shown import read_shown
from settings import Settings
from temporal.web_ui import found_url, workflow_url
from workflows.search_attributes import COMPANY_ID

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description=f"A string in double quotes, of at most {LONGEST_KEY} characters, such as a UUID. Within 24 hours, "
        "a request with the same key and body gets the same answer and sends nothing more; another body gets 422.",
    ),
]


def notification_routes(settings: Settings, engine: AsyncEngine, client: Client, starter: TestStarter) -> APIRouter:
    """Returns the routes that list, show and test notifications. Each reads with one statement."""
    router = APIRouter(
        prefix="/notifications",
        tags=["notifications"],
        dependencies=[Security(API_KEY_SCHEME)],
        responses=documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )

    def web_ui_url(workflow_id: str) -> str:
        return workflow_url(settings.temporal_ui_url, client.namespace, workflow_id)

    def shown(row: RowMapping) -> dict[str, Any]:
        return {**row, "web_ui_url": web_ui_url(row["workflow_id"])}

    @router.get("", dependencies=[Security(BASIC_SCHEME)])
    async def list_notifications(query: Annotated[NotificationQuery, Query()]) -> NotificationPage:
        """Lists notifications, newest first."""
        async with connection_to(engine) as connection:
            rows = await list_flat(connection, query.filter(), query.limit + 1, query.cursor)
        items = [Notification.model_validate(shown(row)) for row in rows[: query.limit]]
        return NotificationPage(items=items, next_cursor=next_cursor(rows, query.limit))

    @router.post(
        "/test",
        status_code=HTTPStatus.ACCEPTED,
        responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS),
    )
    async def send_test(
        test: NewTestNotification, request: Request, response: Response, _key: IdempotencyKey = None
    ) -> StartedTest:
        """Sends a test notification in the same way as any other. A delivery on a channel that is not configured ends
        as `skipped`.

        The answer is 429 if too many tests were sent lately or wait to be sent. It is 422 if the setting
        TEST_RECIPIENTS does not allow a recipient.
        """
        key = idempotency_key(request.headers.getlist(HEADER))
        started = await starter.start(test, caller(request), actor(request), key)
        response.headers["Location"] = f"{router.prefix}/{started.notification_id}"
        return StartedTest(
            notification_id=started.notification_id,
            workflow_id=started.workflow_id,
            web_ui_url=web_ui_url(started.workflow_id),
        )

    async def page_of(notification_id: int) -> Response:
        async with connection_to(engine) as connection:
            record = await read_shown(connection, notification_id)
            if record is None:
                return Page("en", "ltr", "Not found", [_unknown(notification_id)]).response(HTTPStatus.NOT_FOUND)
            zone = record.notification["timezone"] or settings.expiry_scan_timezone
            shown_moments = sorted(moments(record))
            there = await local_times(connection, [(each, zone) for each in shown_moments])
        company = record.notification["company_id"]
        of_company = f'{COMPANY_ID.name}="{company}"'
        links = Links(
            web_ui_url(record.notification["workflow_id"]),
            company and found_url(settings.temporal_ui_url, client.namespace, of_company),
        )
        return record_page(record, zone, dict(zip(shown_moments, there, strict=True)), links)

    @router.head("/{notification_id}", response_model=NotificationDetail, include_in_schema=False)
    @router.get(
        "/{notification_id}",
        dependencies=[Security(BASIC_SCHEME)],
        response_model=NotificationDetail,
        responses={
            HTTPStatus.OK.value: {"content": {"text/html": {"schema": {"type": "string"}}}},
            **documented(HTTPStatus.NOT_FOUND),
        },
    )
    async def read_notification(
        notification_id: Annotated[int, Path(ge=1, le=MAX_BIGINT)], request: Request, response: Response
    ) -> NotificationDetail | Response:
        """Shows a notification with its deliveries: recipient, text as sent and the provider's answer.

        A browser, whose Accept prefers text/html, gets a page. Everyone else gets JSON.
        """
        if wants_page(request):
            page = await page_of(notification_id)
            page.headers["Vary"] = "Accept"
            return page
        async with connection_to(engine) as connection:
            row = await read_flat(connection, notification_id)
        if row is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, _unknown(notification_id), {"Vary": "Accept"})
        response.headers["Vary"] = "Accept"
        return NotificationDetail.model_validate(shown(row))

    return router


def _unknown(notification_id: int) -> str:
    return f"There is no notification {notification_id}."
