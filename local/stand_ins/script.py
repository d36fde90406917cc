"""Scripted behaviour, gates and waiting, for both stand-ins.

A *stage* is a point of the protocol ("rcpt", "request"). A *key* is the recipient (an address, a chat id), or None for
all recipients. A server calls `Script.arrive` at each stage and does what it returns.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Proceed:
    """Behaves normally for one arrival, between two faults."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answers. The connection stays open until the client disconnects."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets the TCP connection instead of answering."""


@dataclass(frozen=True, slots=True)
class AcceptThenReset:
    """Keeps the message, then resets the TCP connection instead of answering."""


class Gate:
    """Holds every arrival at a stage until `release`. The first arrival sets `reached`."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    def release(self) -> None:
        """Lets all waiting and later arrivals pass. May be called twice."""
        self._open.set()

    async def wait_until_open(self) -> None:
        self.reached.set()
        await self._open.wait()


class Changes:
    """Lets a coroutine wait until something becomes true of a server's records, without polling."""

    def __init__(self) -> None:
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def notify(self) -> None:
        """Wakes those whose condition holds. Call it after every change of the records."""
        for condition, waiter in self._waiters:
            if not waiter.done() and condition():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], bool], within: float, state: Callable[[], str]) -> None:
        """Waits until `condition()` holds. After `within` seconds raises TimeoutError with `state()`."""
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
    """For each stage and key, uses up queued actions in order, then a lasting action, then behaves normally.

    Actions for a key come before those for all recipients.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self._attempts: Counter[tuple[str, str | None]] = Counter()
        self._queues: dict[tuple[str, str | None], deque[Action]] = {}
        self._lasting: dict[tuple[str, str | None], Action] = {}
        self._gates: dict[tuple[str, str | None], Gate] = {}

    def add(self, stage: str, key: str | None, actions: Iterable[Action]) -> None:
        """Appends actions. Each arrival takes one."""
        self._queues.setdefault((stage, key), deque()).extend(actions)

    def last(self, stage: str, key: str | None, action: Action) -> None:
        """Sets the action for every arrival after the queued actions are used up."""
        self._lasting[stage, key] = action

    def clear(self) -> None:
        """Returns to normal behaviour and opens all gates. Counts stay."""
        self._queues.clear()
        self._lasting.clear()
        for gate in self._gates.values():
            gate.release()
        self._gates.clear()

    def hold(self, stage: str, key: str | None) -> Gate:
        """Puts a gate before the stage, and releases an earlier gate there."""
        if earlier := self._gates.get((stage, key)):
            earlier.release()
        gate = self._gates[stage, key] = Gate()
        return gate

    def attempts(self, stage: str, key: str | None) -> int:
        """How many arrivals the stage had: for the key, or for all (None)."""
        return self._attempts[stage, key]

    async def wait_for_stage(self, stage: str, key: str | None, count: int, within: float) -> None:
        """Waits until the stage had `count` arrivals. Raises TimeoutError after `within` seconds."""
        await self.changes.until(
            lambda: self._attempts[stage, key] >= count,
            within,
            lambda: f"{stage} had {self._attempts[stage, key]} of {count} arrivals",
        )

    async def arrive(self, stage: str, keys: Iterable[str] = ()) -> Action | None:
        """Counts the arrival, waits at the gates and returns the next action. None: behave normally."""
        places: list[tuple[str, str | None]] = [*((stage, key) for key in keys), (stage, None)]
        self._attempts.update(places)
        self.changes.notify()
        for place in places:
            if gate := self._gates.get(place):
                await gate.wait_until_open()
        for place in places:
            if queue := self._queues.get(place):
                return queue.popleft()
        for place in places:
            if place in self._lasting:
                return self._lasting[place]
        return None
