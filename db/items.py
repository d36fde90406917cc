"""What several queries about items must agree on."""

from __future__ import annotations

TOLD_WITH_ITS_PROJECT = """\
(NOT p.auto_renew AND (a.expires_at AT TIME ZONE c.timezone)::date >= (p.expires_at AT TIME ZONE c.timezone)::date)"""
"""SQL, of AR content `a` with an end of its own: it ends on the last day of its project `p` or later, on the clock of
the company `c`. So it ends with its project, whose notices list it. A project that renews itself has no last day."""
