"""Whose fault a mail server's permanent refusal (5yz) is: one table, read from the top.

The enhanced code decides (RFC 3463, and the registry at https://www.iana.org/assignments/smtp-enhanced-status-codes),
and the text where servers give a mailbox's code to a refusal of the sender. A refusal that is about us must end
nobody's notification, and only a mailbox that does not exist may be suppressed. If in doubt, the address stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What a permanent refusal is about."""

    US = "us"
    """Our sender, address, host name, quota or authentication, or a policy: every recipient is refused."""
    PASSING = "passing"
    """A temporary state, although the code says "permanent"."""
    GONE = "gone"
    """There is no such mailbox."""
    RECIPIENT = "recipient"
    """This message or this recipient. Another message may arrive."""


@dataclass(frozen=True)
class Sign:
    """One row of the table. A reply fits if its enhanced code and its text do. None fits everything."""

    fault: Fault
    meaning: str
    codes: re.Pattern[str] | None = None
    """Subject and detail of RFC 3463, such as `1.1`; empty without an enhanced code."""
    text: re.Pattern[str] | None = None

    def fits(self, enhanced: str, text: str) -> bool:
        return (self.codes is None or self.codes.fullmatch(enhanced) is not None) and (
            self.text is None or self.text.search(text) is not None
        )


def _words(*alternatives: str) -> re.Pattern[str]:
    """Alternatives of plain words. No repetition is unbounded, so a search is linear."""
    return re.compile("|".join(alternatives), re.IGNORECASE)


_TOO_FAST = _words(r"receiving mail (at a rate|too quickly)")
_BLOCKLIST = _words(
    r"spamhaus|spamcop|\bsorbs|surbl|uribl|abuseat|barracuda|senderscore|mailspike|proofpoint|cloudmark|mimecast",
    r"dnsbl|\brbl\b|block ?list|black ?list|blocked using|reputation",
)
_AUTHENTICATION = _words(
    r"\bspf\b|open-?spf|sender policy framework|dkim|dmarc|unauthenticated|not authenticated",
    r"authentication (is )?required",
    r"must (issue|use) (a )?(starttls|tls)|encryption required",
)
_HOST = _words(
    r"\bhelo\b|\behlo\b|\bfqdn\b|reverse (dns|lookup|hostname)|\brdns\b|\bptr\b|client host|hostname rejected",
    r"your (ip|host|server|network|domain)|(sending|source|client) (ip|host|server)|banned sending",
)
_RELAY = _words(r"relay(ing)? (access )?(is )?(denied|not permitted|prohibited|not allowed)|unable to relay")
_SENDER = _words(
    r"sender (address )?(is )?(rejected|denied|blocked|refused|unknown|invalid|verif)",
    r"sender (address )?(is )?not (allowed|permitted|authori[sz]ed)",
    r"sender.{0,20}verif\w* failed|send ?as ?denied|(not (allowed|permitted|authori[sz]ed)|permissions?) to send as",
    r"not owned by user|not (allowed|permitted|authori[sz]ed) to send from|invalid sender",
)
_OUR_LIMIT = _words(
    r"(sending|sender|outbound|outgoing|hourly|daily|message) (rate |message |user )?(limit|quota|rate)",
    r"too many (recipients|messages|mails|e-?mails|connections|invalid)|rate.?limit|throttl",
    r"exceed\w{0,3} .{0,40}(threshold|rate|messages per|sending)|sent too (many|much)",
)
_OUR_ACCOUNT = _words(
    r"address(es)? (is|are) not verified|not verified.{0,80}(region|identit)",
    r"sending (is |has been )?(paused|suspended|disabled)",
    r"(paused|suspended) for (this|your) account",
)
_POLICY = _words(
    r"\bpolic(y|ies)\b|\bspam\b|unsolicited|\bjunk\b|\babuse|suspicious|phish|banned|blocked|blacklisted",
    r"not accepted from|access (is )?denied|our system has detected|content rejected|message rejected|not welcome",
)
_ITS_OWN_RULE = _words(
    r"resolver\.rst|recipient (address )?(is )?(rejected|restricted|not accepting)|restricted (to|recipient)",
    r"to send to (this|the) (recipient|group|list|mailbox|address)|members? only|blocked by (the )?(recipient|user)",
)
_MAILBOX = _words(
    r"(mailbox|quota|inbox|storage).{0,20}(full|exceeded)|over ?quota",
    r"(user|recipient|mailbox|account) (is )?(unknown|disabled|inactive|unavailable|not found)|address not found",
    r"(unknown|no such) (user|recipient|mailbox|address|account|person)|(does not|doesn't|not) exist|no mailbox",
)

_NO_SUCH_MAILBOX = re.compile(r"1\.(1|2|3|6|10)|2\.1|7\.1[78]")
_OUR_CODES = re.compile(r"1\.[78]|2\.252|4\.5|7\.\d{1,3}")
_RESTRICTED = re.compile(r"7\.(124|129|13[3-6])")
_MAY_BE_RESTRICTED = re.compile(r"7\.12?")
_NO_CODE = re.compile(r"|[0-9]\.0|5\.\d{1,3}")

TABLE: tuple[Sign, ...] = (
    Sign(
        Fault.RECIPIENT,
        "5.7.124, 5.7.129, 5.7.133 to 5.7.136: Exchange: the recipient or group takes mail only from some senders",
        _RESTRICTED,
    ),
    Sign(Fault.PASSING, "Gmail: the mailbox receives mail at a rate that prevents more", text=_TOO_FAST),
    Sign(Fault.US, "A blocklist or our reputation", text=_BLOCKLIST),
    Sign(Fault.US, "SPF, DKIM or DMARC failed, or the server wants a login or TLS", text=_AUTHENTICATION),
    Sign(Fault.US, "Our EHLO name, host or IP address", text=_HOST),
    Sign(Fault.US, "The server does not relay for us", text=_RELAY),
    Sign(Fault.US, "Our sender address, or the right to send as it", text=_SENDER),
    Sign(Fault.US, "Our sending limit or rate", text=_OUR_LIMIT),
    Sign(Fault.US, "Our account at the provider is not verified, or sending is paused", text=_OUR_ACCOUNT),
    Sign(
        Fault.RECIPIENT,
        "5.7.1, 5.7.12 with a text about such a rule, or about a recipient that is refused",
        _MAY_BE_RESTRICTED,
        _ITS_OWN_RULE,
    ),
    Sign(
        Fault.RECIPIENT,
        "5.1.1 and similar codes with a text about a policy: the mailbox may exist",
        _NO_SUCH_MAILBOX,
        _POLICY,
    ),
    Sign(
        Fault.GONE,
        "5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, 5.2.1: no such mailbox; 5.7.17, 5.7.18: it has another owner (RFC 7293)",
        _NO_SUCH_MAILBOX,
    ),
    Sign(
        Fault.US,
        "5.1.7, 5.1.8, 5.2.252, 5.4.5: our sender or its limit; any other 5.7: security or policy",
        _OUR_CODES,
    ),
    Sign(Fault.RECIPIENT, "No code that says whose fault it is, and a text about the mailbox", _NO_CODE, _MAILBOX),
    Sign(Fault.RECIPIENT, "The same, and a text about the recipient's own rule", _NO_CODE, _ITS_OWN_RULE),
    Sign(Fault.US, "The same, and a text about a policy", _NO_CODE, _POLICY),
    Sign(Fault.RECIPIENT, "Anything else: this message or this recipient"),
)


def fault_of(enhanced: str | None, text: str) -> Fault:
    """Returns whose fault a permanent refusal is. `enhanced` is subject and detail of its enhanced code, such as `1.1`.
    Addresses in the text do not count: one may contain the word "spam"."""
    words = " ".join("" if "@" in word else word for word in text.split())
    return next(sign.fault for sign in TABLE if sign.fits(enhanced or "", words))
