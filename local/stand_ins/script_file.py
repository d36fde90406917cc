"""Reads scripted behaviour from a JSON file, for stand-ins that run in a process of their own.

    {"email": {"a@x.example": ["450 4.2.0 greylisted", "dot:reset"], "*": {"always": "550 5.1.1 no"}},
     "telegram": {"12345": ["429:1", "blocked"], "*": {"always": "500"}}}

`*` means all recipients. A list is used up in order; `always` lasts. An e-mail's action is `[stage:]what`: a reply
(default stage `rcpt`; 421 also closes), or hang, reset, accept_then_reset, endless_reply, proceed (default stage
`dot`). A chat's action is `[reply:]what`: blocked, deactivated, kicked, chat_not_found, unauthorized,
migrated:ID, 429:SECONDS, another HTTP status, bad_gateway_html, malformed_json, hang, reset,
accept_then_reset, slow_drip, proceed; with `reply:` the message is kept and the action replaces the answer.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from local.stand_ins import smtp_actions, telegram_answers, telegram_api
from local.stand_ins.script import AcceptThenReset, Action, Hang, Proceed, Reset
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply, SmtpAction
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.stand_in import Stage, StandIn
from local.stand_ins.telegram_answers import SlowDrip, TelegramAction
from local.stand_ins.telegram_api import TelegramApi

REPLY = re.compile(r"(\d{3}) (.+)", re.DOTALL)
EITHER: dict[str, Hang | Reset | AcceptThenReset | Proceed] = {
    "hang": Hang(),
    "reset": Reset(),
    "accept_then_reset": AcceptThenReset(),
    "proceed": Proceed(),
}
TELEGRAM: dict[str, Callable[[], TelegramAction]] = {
    "blocked": telegram_answers.blocked,
    "deactivated": telegram_answers.deactivated,
    "kicked": telegram_answers.kicked,
    "chat_not_found": telegram_answers.chat_not_found,
    "unauthorized": telegram_answers.unauthorized,
    "bad_gateway_html": telegram_answers.bad_gateway_html,
    "malformed_json": telegram_answers.malformed_json,
    "slow_drip": SlowDrip,
}


def apply_script(path: Path, sink: SmtpSink, api: TelegramApi) -> None:
    """Scripts both stand-ins. Raises OSError if the file cannot be read, ValueError if it is wrong."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not content.keys() <= {"email", "telegram"}:
        raise ValueError('a script is an object with the keys "email" and "telegram"')
    _apply(sink, content.get("email", {}), smtp_action)
    _apply(api, content.get("telegram", {}), telegram_action)


def smtp_action(text: str) -> tuple[smtp_actions.Stage, SmtpAction]:
    """The stage and the action that a text stands for. Raises ValueError."""
    given, colon, rest = text.partition(":")
    stage = next((stage for stage in get_args(smtp_actions.Stage) if colon and stage == given), None)
    what = rest if stage else text
    if match := REPLY.fullmatch(what):
        reply = Reply(int(match[1]), match[2])
        return stage or "rcpt", CloseAfter(reply) if reply.code == 421 else reply
    if what == "endless_reply":
        return stage or "dot", EndlessReply()
    if what in EITHER:
        return stage or "dot", EITHER[what]
    raise ValueError(f"no such SMTP action: {text!r}")


def telegram_action(text: str) -> tuple[telegram_api.Stage, TelegramAction]:
    """The stage and the action that a text stands for. Raises ValueError."""
    what = text.removeprefix("reply:")
    stage: telegram_api.Stage = "request" if what == text else "reply"
    if what in TELEGRAM:
        return stage, TELEGRAM[what]()
    if what in EITHER:
        return stage, EITHER[what]
    name, _, number = what.partition(":")
    if name == "429" and number.isdecimal():
        return stage, telegram_answers.too_many_requests(int(number))
    if name == "migrated" and re.fullmatch(r"-?\d+", number):
        return stage, telegram_answers.migrated(int(number))
    if re.fullmatch(r"[45]\d\d", what):
        return stage, telegram_answers.server_error(int(what))
    raise ValueError(f"no such Telegram action: {text!r}")


def _apply(
    stand_in: StandIn[Stage, Any, Action, Any], script: object, parse: Callable[[str], tuple[Stage, Action]]
) -> None:
    if not isinstance(script, dict):
        raise ValueError("the script of a channel is an object of recipients")
    for recipient, behaviour in script.items():
        address = None if recipient == "*" else recipient
        match behaviour:
            case {"always": str(text), **rest} if not rest:
                stage, action = parse(text)
                stand_in.always(stage, action, address)
            case list(texts) if all(isinstance(text, str) for text in texts):
                for stage, action in map(parse, texts):
                    stand_in.on(stage, action, recipient=address)
            case _:
                raise ValueError(f'expected a list of actions or {{"always": action}} for {recipient!r}')
