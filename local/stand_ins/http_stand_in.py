"""The base of a stand-in that answers HTTP."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Generic

from local.stand_ins.http_server import HttpServer, Outcome, Request
from local.stand_ins.script import Action
from local.stand_ins.stand_in import Message, Recipient, Stage, StandIn


class HttpStandIn(StandIn[Stage, Recipient, Action, Message], Generic[Stage, Recipient, Action, Message]):
    """A stand-in whose `_answer` says what each request gets."""

    def __init__(self, port: int, keep: bool, on_accept: Callable[[Message], None] | None) -> None:
        super().__init__(port, keep, on_accept)
        self._server = HttpServer(self._answer)

    async def start(self) -> None:
        self.port = await self._server.start(self.host, self.port)

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def connections_opened(self) -> int:
        return self._server.connections.opened

    @abstractmethod
    async def _answer(self, request: Request) -> Outcome:
        """Carries the request out, or fails as scripted."""
