"""The connection to Telegram's Bot API, through TELEGRAM_PROXY if it is set."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx

from channels.base import OperatorFault
from channels.telegram.bot_api import new_client
from runtime.http_client import CertificatesError
from settings import Settings


class BotConnection:
    """Opens a worker's client at the first message, so that a wrong setting for Telegram stops no other channel.

    A proxy that was changed in its file is used from the next message on. The client before it stays open until the
    worker stops, because a message may still be on its way there.
    """

    def __init__(self, settings: Settings, connections: int, stack: AsyncExitStack) -> None:
        """The clients are closed with the `stack`."""
        self._settings = settings
        self._connections = connections
        self._stack = stack
        self._clients: dict[str | None, httpx.AsyncClient] = {}

    def client(self) -> httpx.AsyncClient:
        """Returns the client for the current proxy. Raises `OperatorFault` if there can be none."""
        try:
            proxy = self._settings.secret("telegram_proxy")
        except ValueError as error:
            raise OperatorFault("telegram_proxy_unreadable", str(error)) from None
        if proxy not in self._clients:
            try:
                client = new_client(self._connections, proxy)
            except (ValueError, httpx.InvalidURL):
                raise OperatorFault("telegram_proxy_malformed") from None
            except CertificatesError as error:
                raise OperatorFault("telegram_certificates_unreadable", str(error)) from None
            self._stack.push_async_callback(client.aclose)
            self._clients[proxy] = client
        return self._clients[proxy]
