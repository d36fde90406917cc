"""The registered channels, by name.

A new channel is a folder beside this file and one line below. Workflows look up a channel's plan by the name in their
input. They never list the channels: the list may change between a history and its replay.
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
    """Adds a channel. Raises `ValueError` if another channel or a task queue has its name."""
    if plan.name in (WORKFLOWS, *_plans):
        raise ValueError(f"{plan.name!r} is taken: choose another name for the channel")
    _plans[plan.name] = plan


register(EMAIL)
register(TELEGRAM)


def names() -> list[str]:
    """Returns all channels' names, in the order of registration."""
    return list(_plans)


def all_queues() -> list[str]:
    """Returns the task queues that a worker may serve: the workflows' and each channel's."""
    return [WORKFLOWS, *_plans]


def find_plan(name: str) -> Plan | None:
    """Returns the channel's plan. None: this process does not know the channel."""
    return _plans.get(name)


def find_channel(name: str) -> Channel | None:
    """Returns the channel. None: this process does not know it. Not for workflows: it imports I/O libraries."""
    return _load(plan.implementation) if (plan := _plans.get(name)) else None


def channels() -> list[Channel]:
    """Returns all channels. Not for workflows: it imports I/O libraries."""
    return [_load(plan.implementation) for plan in _plans.values()]


@cache
def _load(implementation: str) -> Channel:
    module, _, attribute = implementation.partition(":")
    channel = getattr(import_module(module), attribute)
    if not isinstance(channel, Channel):
        raise TypeError(f"{implementation} is not a Channel")
    return channel


def queues_named(text: str) -> list[str]:
    """Returns the queues of a comma-separated list. Raises ValueError for one that does not exist."""
    named = [name.strip() for name in text.split(",")]
    for name in named:
        if name not in all_queues():
            raise ValueError(f"{name!r} is not a task queue: choose from {', '.join(all_queues())}")
    return named
