"""Lets in only callers that send one of API_KEYS: programs as X-API-Key, browsers as the password of HTTP Basic.

A browser adds the password that it knows to any request, also to one that a foreign page makes. So Basic counts only
for methods that change nothing, and its answers may not be used by other sites.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

import structlog
from fastapi.security import APIKeyHeader, HTTPBasic
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.accept import wants_page
from api.pages.page import Page
from api.problems import problem
from channels.email import unsubscribe_links
from runtime.named_keys import ApiKey, parse_keys
from settings import Settings, SettingsError

HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
OPEN_BELOW = unsubscribe_links.PATH
"""Unsubscribe links need no key: they are signed."""

API_KEY_SCHEME = APIKeyHeader(name=HEADER, scheme_name="ApiKey", description="One of API_KEYS.", auto_error=False)
"""For the OpenAPI document only: `RequireApiKey` checks the key, before any of the body is read."""


class _BasicScheme(HTTPBasic):
    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Checks nothing."""


BASIC_SCHEME = _BasicScheme(scheme_name="Browser", description="For GET: one of API_KEYS as the password.")
"""For the OpenAPI document only."""

BASIC_METHODS = frozenset({"GET", "HEAD"})
LONGEST_BASIC = 8192
"""Characters of a header with a password that are read."""
CHALLENGE = 'Basic realm="Expiry notifier", charset="UTF-8"'
ONLY_HERE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer to a browser's login: no other site may load it as a script or an image, and no copy
stays on the disk."""
_LOGIN = Page(
    "en",
    "ltr",
    "Log in",
    [
        "Reload this page. Enter any user name, and one of API_KEYS as the password.",
        "Browsers can only read. To change something, send the key as X-API-Key.",
    ],
)

CALLER = "caller"
"""In a request's state: a name of its key that does not reveal it."""
KEY_NAME = "key_name"
"""In a request's state: the name that API_KEYS gives its key, or None."""

OPERATOR = "api"
"""Who did what a caller without a name did."""

log = structlog.get_logger(__name__)


def api_keys(settings: Settings) -> list[ApiKey]:
    """Returns the current keys. Raises ValueError if there are none or their file cannot be read."""
    keys = parse_keys(settings.secret("api_keys") or "")
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
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        password = None if HEADER in connection.headers else _password(scope["method"], connection.headers)
        given = connection.headers.get(HEADER) if password is None else password
        state = scope.setdefault("state", {})
        state.update({CALLER: "", KEY_NAME: None})
        refusal = self._refusal(connection, given, state)
        await (refusal or self._app)(scope, receive, send if password is None else _only_here(send))

    def _refusal(self, connection: HTTPConnection, given: str | None, state: dict[str, Any]) -> Response | None:
        """Returns the answer to a caller without a valid key. Otherwise says in `state` who calls."""
        if self._settings.api_auth == "off":
            return None
        try:
            keys = api_keys(self._settings)
        except ValueError as error:
            log.error("api_keys_unreadable", error=str(error))
            return problem(503, "The API cannot read its keys.")
        if given is not None and (key := _find(given.encode("latin-1"), keys)) is not None:
            state.update({CALLER: _name_of(key.key), KEY_NAME: key.name})
            return None
        if connection.scope["method"] in BASIC_METHODS and HEADER not in connection.headers and wants_page(connection):
            login = _LOGIN.response(401)
            login.headers.update({"WWW-Authenticate": CHALLENGE, "Vary": "Accept"})
            return login
        return problem(401, _what_is_wrong(connection), {"WWW-Authenticate": "APIKey"})


def caller(request: Request) -> str:
    """Returns a name of the caller's key, which does not reveal it. Empty with API_AUTH=off."""
    return str(request.scope["state"][CALLER])


def _what_is_wrong(connection: HTTPConnection) -> str:
    if HEADER in connection.headers:
        return f"{HEADER} is not a valid key."
    if "Authorization" not in connection.headers:
        return f"{HEADER} is missing."
    if connection.scope["method"] in BASIC_METHODS:
        return f"Authorization is not Basic with a valid key as the password: correct it, or send the key as {HEADER}."
    return f"{HEADER} is missing: with Authorization this API can only be read."


def _password(method: str, headers: Headers) -> str | None:
    """Returns the password of HTTP Basic, as characters of Latin-1 like any header. None: there is none that counts."""
    scheme, _, credentials = headers.get("Authorization", "")[:LONGEST_BASIC].partition(" ")
    if method not in BASIC_METHODS or scheme.lower() != "basic":
        return None
    try:
        _user, colon, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password.decode("latin-1") if colon else None


def _only_here(send: Send) -> Send:
    """Returns a `send` that adds ONLY_HERE."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(ONLY_HERE)
        await send(message)

    return send_guarded


def actor(request: Request) -> str:
    """Returns the operator that the table `interventions` names for what this caller changes."""
    name = request.scope["state"][KEY_NAME]
    return OPERATOR if name is None else f"{OPERATOR}:{name}"


def _name_of(key: str) -> str:
    return hashlib.sha256(f"caller:{key}".encode()).hexdigest()[:32]


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)


def _find(given: bytes, keys: list[ApiKey]) -> ApiKey | None:
    """Compares in constant time: every key is compared, and as a digest, so that all have one length."""
    digest = hashlib.sha256(given).digest()
    matches = [
        key
        for key in keys
        if any([_is_digest_of(digest, key.key.encode()), _is_digest_of(digest, key.written.encode())])
    ]
    return matches[0] if matches else None


def _is_digest_of(digest: bytes, key: bytes) -> bool:
    return hmac.compare_digest(digest, hashlib.sha256(key).digest())
