"""The route of deliveries."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Security
from sqlalchemy.ext.asyncio import AsyncEngine

from api.authentication import API_KEY_SCHEME, BASIC_SCHEME
from api.database import connection_to
from api.problems import documented
from api.queries import DeliveryQuery, next_cursor
from api.schemas import DeliveryPage, ListedDelivery
from db.record.list import list_deliveries


def delivery_routes(engine: AsyncEngine) -> APIRouter:
    """Returns the route that lists deliveries, with one statement."""
    router = APIRouter(
        prefix="/deliveries",
        tags=["deliveries"],
        dependencies=[Security(API_KEY_SCHEME)],
        responses=documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )

    @router.get("", dependencies=[Security(BASIC_SCHEME)])
    async def list_them(query: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
        """Lists deliveries, newest first, without their texts: `GET /notifications/{notification_id}` has those."""
        async with connection_to(engine) as connection:
            rows = await list_deliveries(connection, query.filter(), query.limit + 1, query.cursor)
        items = [ListedDelivery.model_validate(dict(row)) for row in rows[: query.limit]]
        return DeliveryPage(items=items, next_cursor=next_cursor(rows, query.limit))

    return router
