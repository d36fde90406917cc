"""Says in plain words what Telegram's answer was, for workflows and pages: from the stable code only."""

from __future__ import annotations

_SAID = {
    "telegram_blocked": "The recipient has blocked the bot",
    "telegram_deactivated": "The recipient's account is gone",
    "telegram_kicked": "The group removed the bot",
    "telegram_chat_deleted": "The group is gone",
    "telegram_chat_not_found": "There is no such chat, or it has never contacted the bot",
    "chat_migrated": "The group has a new id, which is saved",
    "telegram_429": "Telegram asked to wait",
    "telegram_401": "Telegram refuses the bot's token",
    "telegram_token_malformed": "The bot's token is malformed",
    "telegram_404": "The bot's token is malformed, or TELEGRAM_API_URL is wrong",
    "telegram_not_telegram": "Something on the way to Telegram, such as a proxy, refuses the request",
    "telegram_proxy_error": "The proxy to Telegram cannot be used",
    "telegram_timeout": "The attempt took too long",
    "telegram_refused_alike": "Telegram gives several recipients the same refusal, so it is about us",
    "telegram_unreadable_answer": "Telegram's answer cannot be read",
}
_LONGEST_CODE = 3


def explain(code: str) -> str | None:
    """Returns what the code of a reason means, without a full stop. None: it is not a code of this channel."""
    if code in _SAID:
        return _SAID[code]
    what = code.removeprefix("telegram_")
    if what == code:
        return None
    if len(what) <= _LONGEST_CODE and what.isascii() and what.isdecimal():
        return f"Telegram answered {what}"
    return f"There was no answer from Telegram ({what.replace('_', ' ')})"
