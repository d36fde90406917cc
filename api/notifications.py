"""The routes of notifications."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response, Security
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.authentication import API_KEY_SCHEME, caller
from api.database import connection_to
from api.idempotency import HEADER, LONGEST_KEY, idempotency_key
from api.problems import documented
from api.requests import MAX_BIGINT, NewTestNotification, NotificationQuery, encode_cursor
from api.schemas import Notification, NotificationDetail, NotificationPage, StartedTest
from api.starting import TestStarter
from db.record.list import NotificationFilter, list_flat, read_flat
from settings import Settings
from temporal.web_ui import workflow_url

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

    @router.get("")
    async def list_notifications(query: Annotated[NotificationQuery, Query()]) -> NotificationPage:
        """Lists notifications, newest first."""
        wanted = NotificationFilter(query.type, query.status, query.company, query.project)
        async with connection_to(engine) as connection:
            rows = await list_flat(connection, wanted, query.limit + 1, query.cursor)
        items = [Notification.model_validate(shown(row)) for row in rows[: query.limit]]
        more = len(rows) > query.limit
        return NotificationPage(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)

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
        started = await starter.start(test, caller(request), key)
        response.headers["Location"] = f"{router.prefix}/{started.notification_id}"
        return StartedTest(
            notification_id=started.notification_id,
            workflow_id=started.workflow_id,
            web_ui_url=web_ui_url(started.workflow_id),
        )

    @router.get("/{notification_id}", responses=documented(HTTPStatus.NOT_FOUND))
    async def read_notification(
        notification_id: Annotated[int, Path(ge=1, le=MAX_BIGINT)],
    ) -> NotificationDetail:
        """Shows a notification with its deliveries: recipient, text as sent and the provider's answer."""
        async with connection_to(engine) as connection:
            row = await read_flat(connection, notification_id)
        if row is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no notification {notification_id}.")
        return NotificationDetail.model_validate(shown(row))

    return router
