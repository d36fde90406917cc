"""How often and how long each activity is tried. There are no other retries.

The number of attempts is unlimited. They end at `schedule_to_close`, the moment when the notification is given up. A
limit on attempts would be used up by 429s and greylisting, which are normal.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy

DATABASE = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30))
"""For activities that only use PostgreSQL: retried until it is back."""

RECORD_FOR = timedelta(days=1)
"""How long after a notification's deadline its workflow still tries to record the outcome. Then the workflow ends with
what it knows, and the sweep of the next scan records that."""

RECORD_LOCALLY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)
"""For the first attempts to record an outcome, inside the workflow task. Their number is limited, because
`schedule_to_close` does not end the wait between attempts of a local activity (temporalio 1.35). If the database is
away for longer, `DATABASE` takes over."""

DIRECT_ALERT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)
"""For an alert while the database is away. The workflow tries again at its next look."""

PING = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)
"""For the call to the external monitor. The next check calls it again."""
