"""Lets in only callers that send one of API_KEYS."""

from __future__ import annotations

import hashlib
import hmac

import structlog
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem
from channels.email import unsubscribe_links
from settings import Settings, SettingsError

HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
OPEN_BELOW = unsubscribe_links.PATH
"""Unsubscribe links need no key: they are signed."""

API_KEY_SCHEME = APIKeyHeader(name=HEADER, scheme_name="ApiKey", description="One of API_KEYS.", auto_error=False)
"""For the OpenAPI document only: `RequireApiKey` checks the key, before any of the body is read."""

CALLER = "caller"
"""In a request's state: the name of its key."""

log = structlog.get_logger(__name__)


def api_keys(settings: Settings) -> list[bytes]:
    """Returns the current keys. Raises ValueError if there are none or their file cannot be read."""
    keys = [key.strip().encode() for key in (settings.secret("api_keys") or "").split(",") if key.strip()]
    if not keys:
        raise ValueError("API_KEYS: required, comma-separated, unless API_AUTH=off")
    return keys


def require_keys(settings: Settings) -> None:
    """Raises `SettingsError` if the API requires a key and none is set."""
    if settings.api_auth == "off":
        return
    try:
        api_keys(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from None


class RequireApiKey:
    """ASGI middleware: answers 401 to a request without a valid key, unless its path is in OPEN_PATHS or below
    OPEN_BELOW. Routes match the same unchanged path, so `..` cannot bypass the check."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None
        if scope["type"] == "http" and not _is_open(scope["path"]):
            given = Headers(scope=scope).get(HEADER)
            refusal = self._refusal(given)
            scope.setdefault("state", {})[CALLER] = _name_of(given) if self._settings.api_auth == "on" else ""
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, given: str | None) -> Response | None:
        if self._settings.api_auth == "off":
            return None
        try:
            keys = api_keys(self._settings)
        except ValueError as error:
            log.error("api_keys_unreadable", error=str(error))
            return problem(503, "The API cannot read its keys.")
        if given is not None and _is_one_of(given.encode("latin-1"), keys):
            return None
        detail = f"{HEADER} is missing." if given is None else f"{HEADER} is not a valid key."
        return problem(401, detail, {"WWW-Authenticate": "APIKey"})


def caller(request: Request) -> str:
    """Returns a name of the caller's key, which does not reveal it. Empty with API_AUTH=off."""
    return str(request.scope["state"][CALLER])


def _name_of(key: str | None) -> str:
    return hashlib.sha256(f"caller:{key}".encode()).hexdigest()[:32]


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)


def _is_one_of(given: bytes, keys: list[bytes]) -> bool:
    """Compares in constant time: every key is compared, and as a digest, so that all have one length."""
    digest = hashlib.sha256(given).digest()
    matches = [hmac.compare_digest(digest, hashlib.sha256(key).digest()) for key in keys]
    return any(matches)
