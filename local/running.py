"""What the embedded servers and the stand-ins have in common: they run while an `async with` block does."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Running(ABC):
    """Starts at the beginning of an `async with` block and stops at its end, however that ends."""

    @abstractmethod
    async def start(self) -> None:
        """Start it, and return once it answers."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it. Does nothing if it does not run."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
