"""The checks of `doctor`, in the order in which they are shown. A new check is a function and a line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from channels.configured import configured_channels
from commands.doctor import (
    clocks,
    connections,
    database,
    deployment,
    own_release,
    providers,
    queues,
    record,
    schedules,
    temporal_server,
)
from commands.doctor.installation import Installation
from commands.doctor.result import Result
from settings import Settings


@dataclass(frozen=True)
class Check:
    """One thing to look at. `look` changes nothing, may take a few seconds, and may raise: that is a result too."""

    name: str
    """Stable: monitors read it in the JSON."""
    look: Callable[[Installation], Awaitable[Result]]


def checks(settings: Settings) -> list[Check]:
    return [
        Check("release", own_release.look_at_release),
        Check("settings", own_release.look_at_settings),
        Check("postgresql", database.look_at_server),
        Check("schema", database.look_at_revision),
        Check("connections", connections.look_at_connections),
        Check("temporal", temporal_server.look_at_server),
        Check("search_attributes", temporal_server.look_at_search_attributes),
        Check("deployment", deployment.look_at_deployment),
        Check("schedules", schedules.look_at_schedules),
        Check("queues", queues.look_at_backlogs),
        Check("limits", queues.look_at_limits),
        *(
            Check(channel.name, partial(providers.look_at_channel, channel))
            for channel in configured_channels(settings)
        ),
        Check("api", providers.look_at_own_api),
        Check("record", record.look_at_record),
        Check("problems", record.look_at_problems),
        Check("time_zones", record.look_at_time_zone_rules),
        Check("clocks", clocks.look_at_clocks),
    ]
