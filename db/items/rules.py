"""What several queries about items must agree on."""

from __future__ import annotations

NOTICES_OF_PROJECT = "n.project_id = p.id AND n.ar_content_id IS NULL"
NOTICES_OF_CONTENT = "n.ar_content_id = a.id"
"""SQL, of notifications `n`: which are about this item. The planner knows both well, and `IS NOT DISTINCT FROM` not at
all: with half a million rows it read them all, once for each item."""

LEFT_UNSAID = """\
(d.status = 'skipped' AND d.reason IN ('renewed', 'item_not_active', 'auto_renew', 'moved'))"""
"""SQL, of a delivery `d`: nothing was said, because of what the item was like at that moment. If that is undone, it is
to be said after all."""

ENDS_ON_ITS_PROJECTS_LAST_DAY = """\
((a.expires_at AT TIME ZONE c.timezone)::date >= (p.expires_at AT TIME ZONE c.timezone)::date)"""
"""SQL, of AR content `a` with an end of its own: not before the last day of its project `p`, on the clock of the
company `c`. The project's notifications list it, as they list content without an end of its own."""

TOLD_WITH_ITS_PROJECT = f"(NOT p.auto_renew AND {ENDS_ON_ITS_PROJECTS_LAST_DAY})"
"""SQL, of the same: it ends with its project and has no notification of its own. A project that renews itself has no
last day."""

ENDS_AT_OF_ITS_ITEM = """\
CASE WHEN n.ar_content_id IS NULL THEN p.expires_at WHEN n.ar_content_id IS NOT NULL THEN a.expires_at END"""
"""SQL, of a notification `n` with its project `p` and its AR content `a`: when the item that it is about ends now."""
