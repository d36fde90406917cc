"""SQL that removes texts and recipients from a notification and its deliveries. The fact, times and codes remain."""

from __future__ import annotations

_CODES = r"'^(?:\d{3}(?:[ -][245]\.\d{1,3}\.\d{1,3})?|[245]\.\d{1,3}\.\d{1,3})(?![\d.])'"

SENT_TEXT = r"coalesce(d.subject || E'\n\n', '') || d.body"
"""An expression: the text of delivery `d` as one document, its subject first. The digest is of these bytes in UTF-8,
and `export` writes them to a file."""

TEXT_SHA256 = f"""\
CASE WHEN d.body IS NULL THEN d.text_sha256
     WHEN d.body IS NOT NULL THEN sha256(convert_to({SENT_TEXT}, 'UTF8')) END"""
"""An expression: the digest of the text as sent. If the text is removed, the digest that was written then."""
HTML_SHA256 = """\
CASE WHEN d.body IS NULL THEN d.html_sha256
     WHEN d.body IS NOT NULL THEN sha256(convert_to(d.body_html, 'UTF8')) END"""
"""The same for the HTML."""


def codes_of(reply: str) -> str:
    """Returns an expression: the codes at the beginning of a provider's reply, or null. What follows may name people,
    so this is what is kept of it. The pattern is that of `runtime.cleaning`, and takes a bounce's status too."""
    return f"substring({reply} from {_CODES})"


IS_ERASED = """\
(EXISTS (
    SELECT FROM companies WHERE erased_at IS NOT NULL AND id IN (
        (SELECT company_id FROM notifications WHERE id = d.notification_id),
        (SELECT company_id FROM contacts WHERE id = d.contact_id)
    )
) OR EXISTS (
    SELECT FROM notifications
    WHERE id = d.notification_id AND company_id IS NULL AND texts_removed_at IS NOT NULL
))"""
"""A condition: delivery `d` is of a company that was erased, or goes to its contact. Or it is a test or an alert that
was emptied: such a one is never sent again, so nothing may bring a text back."""


def kept_of(reply: str) -> str:
    """Returns an expression: what may be written of a provider's reply about delivery `d`. An answer may come after the
    company was erased: of it only the codes are kept."""
    return f"CASE WHEN {IS_ERASED} THEN {codes_of(reply)} ELSE {reply} END"


def may_suppress(address_key: str) -> str:
    """Returns a condition: this address, to which delivery `d` went, may be suppressed. One of an erased company may
    not, unless another company has it."""
    return f"""\
(NOT {IS_ERASED} OR EXISTS (
    SELECT FROM contacts other JOIN companies living ON living.id = other.company_id AND living.erased_at IS NULL
    WHERE other.channel = d.channel AND other.address_key = {address_key}
))"""


EMPTY_DELIVERY = f"""\
text_sha256 = {TEXT_SHA256}, html_sha256 = {HTML_SHA256}, recipient = NULL, subject = NULL, body = NULL,
    body_html = NULL, refusal = NULL, earlier_attempts = '[]', provider_reply = {codes_of("d.provider_reply")}"""
"""For UPDATE deliveries d SET: removes text, recipient and the provider's words. May run twice."""

EMPTY_NOTIFICATION = """\
subject = NULL, message = NULL, texts_removed_at = now(),
    metadata = (
        SELECT coalesce(jsonb_object_agg(key, value), '{}')
        FROM jsonb_each(n.metadata) WHERE key IN ('problem', 'reconstructed_at')
    )"""
"""For UPDATE notifications n SET: removes text and recipients of its own. May run twice."""

HAS_TEXTS = "(n.texts_removed_at IS NULL AND n.finished_at IS NOT NULL OR n.texts_removed_at < n.finished_at)"
"""A condition: the ended notification `n` was not emptied yet, or was sent again after that. It is the condition of the
index `ix_notifications_with_texts`."""
