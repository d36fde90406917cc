"""Scripted behaviour, gates and waiting: what both stand-ins have in common.

A *stage* is a point of the protocol ("rcpt", "request"); a *key* is whom it concerns (an address, a chat id),
or None for everybody. A server calls `Script.arrive` at each stage and does what it returns.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Proceed:
    """Nothing unusual: lets one arrival through between two faults."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, the connection stays open until the client leaves."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A TCP reset instead of an answer."""


@dataclass(frozen=True, slots=True)
class AcceptThenReset:
    """The message is kept, then a TCP reset takes the place of the answer."""


class Gate:
    """Holds whoever arrives at a stage until `release` is called. `reached` is set by the first arrival."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    def release(self) -> None:
        """Lets those who wait and those who come later pass. May be called twice."""
        self._open.set()

    async def _pass(self) -> None:
        self.reached.set()
        await self._open.wait()


class Changes:
    """Lets a coroutine wait until something becomes true of a server's records, without polling."""

    def __init__(self) -> None:
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def notify(self) -> None:
        """To be called after every change of the records."""
        for condition, waiter in self._waiters:
            if not waiter.done() and condition():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], bool], within: float, state: Callable[[], str]) -> None:
        """Returns once `condition()` holds; after `within` seconds raises TimeoutError telling `state()`."""
        if condition():
            return
        waiter = asyncio.get_running_loop().create_future()
        entry = (condition, waiter)
        self._waiters.append(entry)
        try:
            async with asyncio.timeout(within):
                await waiter
        except TimeoutError:
            raise TimeoutError(f"waited {within} s; {state()}") from None
        finally:
            self._waiters.remove(entry)


class Script(Generic[Action]):
    """For each stage and key: actions to take once each, in order; else a lasting one; else normal behaviour.

    What is scripted for a key goes before what is scripted for everybody.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self._attempts: Counter[tuple[str, str | None]] = Counter()
        self._queues: dict[tuple[str, str | None], deque[Action]] = {}
        self._lasting: dict[tuple[str, str | None], Action] = {}
        self._gates: dict[tuple[str, str | None], Gate] = {}

    def add(self, stage: str, key: str | None, actions: Iterable[Action]) -> None:
        """Appends actions, each taken by one arrival."""
        self._queues.setdefault((stage, key), deque()).extend(actions)

    def last(self, stage: str, key: str | None, action: Action) -> None:
        """Sets what every arrival gets once the queued actions are used up."""
        self._lasting[stage, key] = action

    def clear(self) -> None:
        """Back to normal behaviour. Counts stay; whoever waits at a gate goes on."""
        self._queues.clear()
        self._lasting.clear()
        for gate in self._gates.values():
            gate.release()
        self._gates.clear()

    def hold(self, stage: str, key: str | None) -> Gate:
        """Puts a gate before the stage. An earlier one at the same place is released."""
        if earlier := self._gates.get((stage, key)):
            earlier.release()
        gate = self._gates[stage, key] = Gate()
        return gate

    def attempts(self, stage: str, key: str | None) -> int:
        """How often the stage was reached: for the key, or in all (None)."""
        return self._attempts[stage, key]

    async def wait_for_stage(self, stage: str, key: str | None, count: int, within: float) -> None:
        """Returns once the stage was reached `count` times; raises TimeoutError after `within` seconds."""
        await self.changes.until(
            lambda: self._attempts[stage, key] >= count,
            within,
            lambda: f"{stage} was reached {self._attempts[stage, key]} of {count} times",
        )

    async def arrive(self, stage: str, keys: Iterable[str] = ()) -> Action | None:
        """Counts the arrival, waits at the gates in the way, takes the next action. None: behave normally."""
        places: list[tuple[str, str | None]] = [*((stage, key) for key in keys), (stage, None)]
        self._attempts.update(places)
        self.changes.notify()
        for place in places:
            if gate := self._gates.get(place):
                await gate._pass()
        for place in places:
            if queue := self._queues.get(place):
                return queue.popleft()
        for place in places:
            if place in self._lasting:
                return self._lasting[place]
        return None
