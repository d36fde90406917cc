"""How often and how long each activity is tried. The only retries there are.

Attempts are unlimited: what ends them is `schedule_to_close`, set to the moment after which the notice would be
pointless. A limit in attempts would be used up by 429s and greylisting, which are normal.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy

DATABASE = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30))
"""For activities that only read and write PostgreSQL: it will be back."""

RECORD_LOCALLY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)
"""The record's first tries, inside the workflow task. Counted, since `schedule_to_close` was seen not to end the wait
between attempts of a local activity (temporalio 1.35); with the database away for longer, `DATABASE` takes over."""

DIRECT_ALERT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)
"""For an alert while the database is away. Counted: the workflow tries again at its next look."""

PING = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)
"""For the watch outside, which hears of the next check too."""
