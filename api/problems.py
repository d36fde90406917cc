"""Errors as in RFC 9457: every answer with a status of 400 or more is `application/problem+json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.schemas import Problem
from runtime.wording import plain

MEDIA_TYPE = "application/problem+json"


RETRY_AFTER = 5
"""Seconds after which a caller may repeat a request that a server behind the API could not serve."""


class Unavailable(HTTPException):
    """A server behind the API is away or busy: 503. `detail` is for the caller and must not reveal internals."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_AFTER)})


class TooMany(HTTPException):
    """A limit is reached: 429. `after` is when to try again."""

    def __init__(self, detail: str, after: timedelta) -> None:
        seconds = max(1, math.ceil(after.total_seconds()))
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(seconds)})


def problem(
    status: int, detail: str | None = None, headers: Mapping[str, str] | None = None, **extensions: object
) -> Response:
    """Returns the answer for an error; `extensions` become further members of the document."""
    return JSONResponse(members(status, detail) | extensions, status, headers, media_type=MEDIA_TYPE)


def members(status: int, detail: str | None = None) -> dict[str, object]:
    """Returns the members of a problem document."""
    title = HTTPStatus(status).phrase
    document: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail and detail != title:
        document["detail"] = detail
    return document


def add_handlers(app: FastAPI) -> None:
    """Turns every error of the app into a problem document."""

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, error.detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_request: Request, error: RequestValidationError) -> Response:
        errors = [{"field": _field(each["loc"]), "reason": plain(each)} for each in error.errors()]
        detail = "The request is not valid: see errors."
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)

    @app.exception_handler(Exception)
    async def unexpected_error(_request: Request, _error: Exception) -> Response:
        # The server logs the error with its traceback.
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred: see the API's log.")


def _field(location: Sequence[str | int]) -> str:
    """The field's name without its place (body, query, path). For invalid JSON, where the name is a number, the
    place."""
    names = [name for name in location[1:] if isinstance(name, str)]
    return ".".join(names) or str(location[0])


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Returns the `responses` of a route that may answer with these errors."""
    return {int(status): {"model": Problem, "description": status.phrase} for status in statuses}


def correct_media_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Corrects the media type of problems in an OpenAPI schema: FastAPI gives all answers of a route the same one."""
    for path in schema["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "application/json" in response.get("content", {}):
                    response["content"][MEDIA_TYPE] = response["content"].pop("application/json")
    return schema
