"""How many connections to PostgreSQL each process takes at most. Together they must fit on the server."""

from __future__ import annotations

BESIDES_THE_POOL_OF_A_WORKER = 6
"""A health check has 4 at a time, the probes of HEALTH_ADDRESS and the state for the metrics have one each."""
BESIDES_THE_POOL_OF_THE_API = 2
"""A call of `/readyz` has one."""
FOR_COMMANDS = 5
"""`doctor` takes 4 at a time. A command, the bounces and a migration take one each."""

APPLICATION_NAMES = ("worker", "health", "probes", "metrics", "api", "api-readyz", "cli", "doctor", "migrate")
"""What our processes call themselves in `pg_stat_activity`."""


def most_connections(pool_size: int, workers: int) -> int:
    """Returns what so many workers, one API process and commands take at most, each with a pool of this size."""
    a_worker = pool_size + BESIDES_THE_POOL_OF_A_WORKER
    the_api = pool_size + BESIDES_THE_POOL_OF_THE_API
    return workers * a_worker + the_api + FOR_COMMANDS


def largest_pool(room: int, workers: int) -> int:
    """Returns the largest DATABASE_POOL_SIZE with which all of them fit into so many connections; less than 1: none."""
    besides = workers * BESIDES_THE_POOL_OF_A_WORKER + BESIDES_THE_POOL_OF_THE_API + FOR_COMMANDS
    return (room - besides) // (workers + 1)
