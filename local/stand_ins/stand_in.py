"""The base of each stand-in: the accepted messages, scripts, gates and waiting."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from local.running import Running
from local.stand_ins.script import Action, Gate, Script

Stage = TypeVar("Stage", bound=str)
Recipient = TypeVar("Recipient", bound=int | str)
Message = TypeVar("Message")


class StandIn(Running, Generic[Stage, Recipient, Action, Message]):
    """A server that belongs to the event loop that started it.

    It listens on `host` and `port`. The first start replaces port 0 by a free port, which later starts keep.
    `messages` are the accepted messages in order, and `accepted` is their number. `on_accept` is called before the
    client gets its answer. With `keep=False` the message is dropped after that.
    """

    def __init__(self, port: int, keep: bool, on_accept: Callable[[Message], None] | None) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.messages: list[Message] = []
        self.accepted = 0
        self._keeps_messages = keep
        self._on_accept = on_accept
        self._script: Script[Action] = Script()

    @abstractmethod
    async def start(self) -> None:
        """Starts to listen. May be called again after `stop`. Raises OSError if the port is taken."""

    @abstractmethod
    async def stop(self) -> None:
        """Closes the listening socket and resets every connection. The messages stay readable."""

    @property
    @abstractmethod
    def connections_opened(self) -> int:
        """How many connections were opened so far."""

    @abstractmethod
    def to(self, recipient: Recipient) -> list[Message]:
        """The accepted messages to a recipient, in order."""

    @abstractmethod
    def _check(self, stage: Stage, recipient: Recipient | None, actions: Iterable[Action]) -> None:
        """Raises ValueError for a combination that can never happen."""

    def on(self, stage: Stage, *actions: Action, recipient: Recipient | None = None) -> None:
        """Queues actions for a stage. Each arrival of the recipient (default: any) takes one."""
        self._check(stage, recipient, actions)
        self._script.add(stage, _key(recipient), actions)

    def always(self, stage: Stage, action: Action, recipient: Recipient | None = None) -> None:
        """Sets the action for every arrival after the queued actions are used up."""
        self._check(stage, recipient, (action,))
        self._script.last(stage, _key(recipient), action)

    def clear(self) -> None:
        """Removes all scripted behaviour and opens all gates."""
        self._script.clear()

    def hold(self, stage: Stage, recipient: Recipient | None = None) -> Gate:
        """Holds every arrival at the stage, before anything happens there, until the gate's `release`."""
        self._check(stage, recipient, ())
        return self._script.hold(stage, _key(recipient))

    def attempts(self, stage: Stage, recipient: Recipient | None = None) -> int:
        """How many arrivals a stage had, for a recipient or in total."""
        return self._script.attempts(stage, _key(recipient))

    async def wait_for(self, count: int, timeout: float = 10) -> list[Message]:  # noqa: ASYNC109 - its error says how far
        """Waits until `count` messages were accepted and returns the kept ones. Raises TimeoutError."""
        await self._script.changes.until(
            lambda: self.accepted >= count, timeout, lambda: f"accepted {self.accepted} of {count} messages"
        )
        return self.messages

    async def wait_for_stage(
        self,
        stage: Stage,
        recipient: Recipient | None = None,
        count: int = 1,
        timeout: float = 10,  # noqa: ASYNC109 - likewise
    ) -> None:
        """Waits until a stage had `count` arrivals. Raises TimeoutError."""
        self._check(stage, recipient, ())
        await self._script.wait_for_stage(stage, _key(recipient), count, timeout)

    def _keep(self, message: Message) -> None:
        if self._keeps_messages:
            self.messages.append(message)
        if self._on_accept:
            self._on_accept(message)
        self.accepted += 1
        self._script.changes.notify()


def _key(recipient: int | str | None) -> str | None:
    return None if recipient is None else str(recipient)
