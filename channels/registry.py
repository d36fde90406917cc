"""The channels there are, by name.

A new channel is a folder beside this file and one line below. Workflows look a channel's plan up by the name that
their input bears, and never ask which channels there are: the answer would change under a history.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from channels.base import Channel, Plan
from channels.email.plan import EMAIL
from channels.telegram.plan import TELEGRAM
from contracts.queues import WORKFLOWS

_plans: dict[str, Plan] = {}


def register(plan: Plan) -> None:
    """Adds a channel. Raises `ValueError` if the name is taken, also by a task queue."""
    if plan.name in (WORKFLOWS, *_plans):
        raise ValueError(f"{plan.name!r} is taken: a channel needs a name of its own")
    _plans[plan.name] = plan


register(EMAIL)
register(TELEGRAM)


def names() -> list[str]:
    """All channels' names, in the order in which they were registered."""
    return list(_plans)


def all_queues() -> list[str]:
    """The task queues that a worker may serve: that of the workflows, and each channel's."""
    return [WORKFLOWS, *_plans]


def find_plan(name: str) -> Plan | None:
    """None: this process does not know the channel."""
    return _plans.get(name)


def find_channel(name: str) -> Channel | None:
    """None: this process does not know the channel. Not for workflows: it imports I/O libraries."""
    return _load(plan.implementation) if (plan := _plans.get(name)) else None


def channels() -> list[Channel]:
    """All channels. Not for workflows."""
    return [_load(plan.implementation) for plan in _plans.values()]


@cache
def _load(implementation: str) -> Channel:
    module, _, attribute = implementation.partition(":")
    channel = getattr(import_module(module), attribute)
    if not isinstance(channel, Channel):
        raise TypeError(f"{implementation} is not a Channel")
    return channel
