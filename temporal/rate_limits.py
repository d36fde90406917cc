"""The limits of the channels' task queues, held by the Temporal server for all workers together.

Each channel has two queues: one for what a scan opens, one for what is urgent, with a share of the budget. A queue
has a limit in all and one for each fairness key: the chat, and for e-mail the company.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client

from contracts.queues import TaskQueue, task_queues
from contracts.sending import Fairness
from settings import Settings

REASON = "set from the settings"


@dataclass(frozen=True)
class QueueLimits:
    """A task queue's limits, in tasks a second."""

    name: str
    in_all: float
    for_each_key: float


def queue_limits(settings: Settings, queues: Iterable[TaskQueue]) -> list[QueueLimits]:
    """The limits of those of the queues that have any, their urgent ones included."""
    rates = {
        TaskQueue.EMAIL: (settings.email_rate, settings.email_company_rate),
        TaskQueue.TELEGRAM: (settings.telegram_rate, settings.telegram_chat_rate),
    }
    shares = (1 - settings.urgent_share, settings.urgent_share)
    return [
        QueueLimits(name, rates[queue][0] * share, rates[queue][1])
        for queue in queues
        if queue in rates
        for name, share in zip(task_queues(settings.task_queue_prefix, queue), shares, strict=True)
    ]


async def apply(client: Client, settings: Settings, queues: Iterable[TaskQueue]) -> None:
    """Sets the limits in the server. May run at any time, from several workers: the last settings hold."""
    await asyncio.gather(*(_set(client, limits) for limits in queue_limits(settings, queues)))


async def _set(client: Client, limits: QueueLimits) -> None:
    def update(rate: float) -> UpdateTaskQueueConfigRequest.RateLimitUpdate:
        return UpdateTaskQueueConfigRequest.RateLimitUpdate(
            rate_limit=RateLimit(requests_per_second=rate), reason=REASON
        )

    await client.workflow_service.update_task_queue_config(
        UpdateTaskQueueConfigRequest(
            namespace=client.namespace,
            identity=client.identity,
            task_queue=limits.name,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            update_queue_rate_limit=update(limits.in_all),
            update_fairness_key_rate_limit_default=update(limits.for_each_key),
        )
    )


def chat_fairness(settings: Settings) -> Callable[[str | None], Fairness]:
    """Tells a chat's share of the limit. A history shows the key: it is a keyed hash, not the chat's id."""
    try:
        token = settings.secret("telegram_bot_token")
    except ValueError:  # the send says so; here it must stop no scan
        token = None
    of_a_group = min(1.0, settings.telegram_group_rate_per_minute / 60 / settings.telegram_chat_rate)

    def fairness(chat: str | None) -> Fairness:
        if chat is None or token is None:
            return Fairness()
        key = hmac.new(token.encode(), chat.encode(), hashlib.sha256).hexdigest()[:16]
        # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
        return Fairness(key, of_a_group if chat.startswith("-") else 1.0)

    return fairness
