"""Asks a server that may not answer."""

from __future__ import annotations

import asyncio

import pytest

from runtime.probing import NoAnswerInTime, answer_within


async def test_an_answer_is_handed_on() -> None:
    assert await answer_within(60, lambda: asyncio.sleep(0, "well")) == "well"


async def test_what_the_probe_raises_is_raised_even_a_timeout_of_its_own() -> None:
    async def times_out() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await answer_within(60, times_out)


async def test_a_probe_that_cannot_be_cancelled_at_once_is_not_waited_for() -> None:
    released = asyncio.Event()
    ended = asyncio.Event()

    async def stays() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()
            ended.set()

    with pytest.raises(NoAnswerInTime):
        await answer_within(0.01, stays)
    assert not ended.is_set()
    released.set()
    await asyncio.wait_for(ended.wait(), 10)
