"""A record that is older than it is."""

from __future__ import annotations

from tests.support.data import Platform

_TIMES = {
    "notifications": "created_at started_at finished_at texts_removed_at scan_at item_ends_at give_up_at",
    "deliveries": "created_at claimed_at sending_at finished_at",
    "projects": "expires_at deactivated_at",
    "ar_contents": "expires_at deactivated_at",
    "suppressions": "created_at",
    "interventions": "created_at",
}


async def age(platform: Platform, days: int) -> None:
    """Moves all that has happened, and all ends, so many days back."""
    for table, columns in _TIMES.items():
        moved = ", ".join(f"{column} = {column} - make_interval(days => :days)" for column in columns.split())
        await platform.execute(f"UPDATE {table} SET {moved}", days=days)  # noqa: S608 - ours
