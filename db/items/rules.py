"""SQL that several queries about items share."""

from __future__ import annotations

IS_ABOUT_PROJECT = "n.project_id = p.id AND n.ar_content_id IS NULL"
IS_ABOUT_CONTENT = "n.ar_content_id = a.id"
"""A condition: notification `n` is about this item. With `IS NOT DISTINCT FROM` the planner cannot use the index: it
read all of half a million rows for each item."""

ENDS_ON_ITS_PROJECTS_LAST_DAY = """\
((a.expires_at AT TIME ZONE c.timezone)::date >= (p.expires_at AT TIME ZONE c.timezone)::date)"""
"""A condition: AR content `a` with an end of its own does not end before the last day of its project `p`, on the clock
of the company `c`. The project's notifications list it, like content without an end of its own."""

TOLD_WITH_ITS_PROJECT = f"(NOT p.auto_renew AND {ENDS_ON_ITS_PROJECTS_LAST_DAY})"
"""A condition: the AR content ends with its project and has no notification of its own. A project that renews itself
has no last day."""

ENDS_AT_OF_ITS_ITEM = """\
CASE WHEN n.ar_content_id IS NULL THEN p.expires_at WHEN n.ar_content_id IS NOT NULL THEN a.expires_at END"""
"""An expression: the current end of the item that notification `n` is about, with project `p` and AR content `a`."""

IS_REACHED_BY = """\
contact.enabled AND contact.address IS NOT NULL
             AND NOT EXISTS (
                 SELECT FROM suppressions s WHERE s.channel = contact.channel AND s.address = contact.address_key
             )"""
"""A condition: the company can be reached at this contact."""
