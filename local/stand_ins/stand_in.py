"""What both stand-ins offer to a test: the record of what was accepted, scripts, gates and waiting."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from local.running import Running
from local.stand_ins.script import Action, Gate, Script

Stage = TypeVar("Stage", bound=str)
Recipient = TypeVar("Recipient", bound=int | str)
Message = TypeVar("Message")


class StandIn(Running, Generic[Stage, Recipient, Action, Message]):
    """A server that runs while its `async with` block does. All belongs to the loop that started it.

    It listens on `host` and `port`; port 0 becomes a free one at the first start, and stays.
    `messages` is what was accepted, in order, and `accepted` their number. With `keep=False` messages are
    forgotten once `on_accept` was called, which happens before the client is answered.
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
        """Listens. May be called again after a `stop`. Raises OSError when the port is taken."""

    @abstractmethod
    async def stop(self) -> None:
        """Closes the listening socket and resets every connection. What was received stays readable."""

    @property
    @abstractmethod
    def connections_opened(self) -> int:
        """Connections accepted so far, whatever became of them."""

    @abstractmethod
    def to(self, recipient: Recipient) -> list[Message]:
        """The accepted messages for a recipient, in order."""

    @abstractmethod
    def _check(self, stage: Stage, recipient: Recipient | None, actions: Iterable[Action]) -> None:
        """Raises ValueError for what could never happen."""

    def on(self, stage: Stage, *actions: Action, recipient: Recipient | None = None) -> None:
        """Queues actions for a stage, each taken by one arrival; without a recipient, by anybody's."""
        self._check(stage, recipient, actions)
        self._script.add(stage, _key(recipient), actions)

    def always(self, stage: Stage, action: Action, recipient: Recipient | None = None) -> None:
        """What every arrival gets once the queued actions are used up."""
        self._check(stage, recipient, (action,))
        self._script.last(stage, _key(recipient), action)

    def clear(self) -> None:
        """Drops all scripted behaviour and opens all gates."""
        self._script.clear()

    def hold(self, stage: Stage, recipient: Recipient | None = None) -> Gate:
        """Stops whoever arrives at the stage, before anything is done there, until the gate's `release`."""
        self._check(stage, recipient, ())
        return self._script.hold(stage, _key(recipient))

    def attempts(self, stage: Stage, recipient: Recipient | None = None) -> int:
        """How often a stage was reached, for a recipient or in all."""
        return self._script.attempts(stage, _key(recipient))

    # With asyncio.timeout around the call a failure could not tell what was seen; hence the parameter.
    async def wait_for(self, count: int, timeout: float = 10) -> list[Message]:  # noqa: ASYNC109
        """Waits until `count` messages were accepted, and returns those kept; else raises TimeoutError."""
        await self._script.changes.until(
            lambda: self.accepted >= count, timeout, lambda: f"accepted {self.accepted} of {count} messages"
        )
        return self.messages

    async def wait_for_stage(
        self,
        stage: Stage,
        recipient: Recipient | None = None,
        count: int = 1,
        timeout: float = 10,  # noqa: ASYNC109
    ) -> None:
        """Waits until a stage was reached `count` times; else raises TimeoutError."""
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
