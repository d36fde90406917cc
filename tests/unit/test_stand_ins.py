import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest
from dotenv import dotenv_values

from local.programs import Program, run_to_end
from local.stand_ins import telegram_answers as answers
from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset
from local.stand_ins.script_file import smtp_action, telegram_action
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply
from local.stand_ins.telegram_answers import SlowDrip


class StandIns:
    """`python -m local.stand_ins` in a process of its own, once it listens."""

    def __init__(self, process: Program, endpoints: dict[str, Any]) -> None:
        self.process = process
        self.endpoints = endpoints

    async def mail(self, recipient: str, number: int = 1) -> None:
        text = f"Subject: =?utf-8?q?Endet_in_7_Tagen_=E2=9C=93?=\r\nX-Notification-Id: {number}\r\n"
        text += f"Message-ID: <expiring.project-{number}@platform.example>\r\n\r\nhi\r\n"
        await aiosmtplib.send(
            text.encode(),
            sender="notices@platform.example",
            recipients=[recipient],
            hostname=self.endpoints["smtp_host"],
            port=self.endpoints["smtp_port"],
            start_tls=False,
        )

    async def message(self, chat_id: int) -> httpx.Response:
        path = f"/bot{self.endpoints['telegram_bot_token']}/sendMessage"
        async with httpx.AsyncClient(base_url=self.endpoints["telegram_api_url"]) as http:
            return await http.post(path, json={"chat_id": chat_id, "text": "Endet in 7 Tagen ✓"})

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient(base_url=self.endpoints["telegram_api_url"]) as http:
            return (await http.get(path)).json()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        return await self.process.stop(number)


@asynccontextmanager
async def stand_ins(folder: Path, *options: str) -> AsyncIterator[StandIns]:
    arguments = ["-W", "error", "-m", "local.stand_ins", "--dir", str(folder), *options]
    async with Program(arguments, log_file=folder / "stand_ins.log", environment=os.environ) as process:
        yield StandIns(process, json.loads(await process.wait_for_line('"smtp_port"')))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "received.jsonl").read_text().splitlines()]


async def test_it_tells_where_it_listens_and_what_it_received(tmp_path: Path) -> None:
    async with stand_ins(tmp_path, "--mail-dir", str(tmp_path / "mail")) as running:
        assert json.loads((tmp_path / "stand_ins.json").read_text()) == running.endpoints
        assert running.endpoints["pid"] == running.process.pid
        settings = dotenv_values(tmp_path / "stand_ins.env")
        assert settings["SMTP_PORT"] == str(running.endpoints["smtp_port"])
        assert settings["TELEGRAM_BOT_TOKEN"] == running.endpoints["telegram_bot_token"]
        assert settings["STAND_INS_PID"] == str(running.process.pid)
        await running.mail("ann@company.example")
        await running.message(12345)

        mail, message = received = lines(tmp_path)
        assert (mail.pop("at"), message.pop("at")) == tuple(sorted(line["at"] for line in lines(tmp_path)))
        assert mail == {
            "channel": "email",
            "notification_id": "1",
            "recipient": "ann@company.example",
            "subject": "Endet in 7 Tagen ✓",
            "message_id": "<expiring.project-1@platform.example>",
        }
        assert message == {
            "channel": "telegram",
            "notification_id": None,
            "chat_id": 12345,
            "text": "Endet in 7 Tagen ✓",
            "message_id": 1,
        }
        assert len(received) == len(await running.get("/_stand_in/received"))
        assert await running.stop() == 0


async def test_a_restart_goes_on_where_a_killed_process_stopped(tmp_path: Path) -> None:
    mails = tmp_path / "mail"
    async with stand_ins(tmp_path, "--mail-dir", str(mails)) as first:
        await first.mail("ann@company.example", 1)
        await first.message(5)
        await first.stop(signal.SIGKILL)
    with (tmp_path / "received.jsonl").open("a") as record:
        record.write('{"channel": "em')

    async with stand_ins(tmp_path, "--mail-dir", str(mails)) as second:
        assert {**second.endpoints, "pid": 0} == {**first.endpoints, "pid": 0}
        await second.mail("ann@company.example", 2)
        assert (await second.message(5)).json()["result"]["message_id"] == 2
        assert [line["channel"] for line in lines(tmp_path)] == ["email", "telegram"] * 2
        assert (await second.get("/_stand_in/counts"))["email"] == 2
        assert await second.stop(signal.SIGINT) == 0
    names = ["000001-expiring.project-1.eml", "000002-expiring.project-2.eml"]
    assert sorted(file.name for file in mails.iterdir()) == names


async def test_without_a_record_the_lines_are_still_to_be_had(tmp_path: Path) -> None:
    async with stand_ins(tmp_path, "--no-record") as running:
        await running.mail("ann@company.example")
        (line,) = await running.get("/_stand_in/received")
        assert line["recipient"] == "ann@company.example"
        assert await running.get("/_stand_in/counts") == {
            "email": 1,
            "telegram": 0,
            "smtp_connections": 1,
            "rcpt_attempts": 1,
            "send_message_attempts": 0,
        }
    assert not (tmp_path / "received.jsonl").exists()


async def test_a_script_file_is_followed(tmp_path: Path) -> None:
    script = {
        "email": {
            "ann@company.example": ["450 4.2.0 greylisted"],
            "bob@company.example": {"always": "550 5.1.1 no"},
        },
        "telegram": {"5": ["429:1"], "*": {"always": "blocked"}},
    }
    (tmp_path / "script.json").write_text(json.dumps(script))
    async with stand_ins(tmp_path, "--script", str(tmp_path / "script.json")) as running:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused, match="450"):
            await running.mail("ann@company.example")
        await running.mail("ann@company.example")
        for _ in range(2):
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused, match="550"):
                await running.mail("bob@company.example")
        assert [(await running.message(5)).status_code for _ in range(2)] == [429, 403]


@pytest.mark.parametrize(
    "script", ["{", "[]", '{"fax": {}}', '{"email": {"*": "550 5.1.1"}}', '{"email": {"*": ["x"]}}']
)
async def test_a_wrong_script_is_a_wrong_argument(tmp_path: Path, script: str) -> None:
    (tmp_path / "script.json").write_text(script)
    options = ["--dir", str(tmp_path), "--script", str(tmp_path / "script.json")]
    ended = await run_to_end(["-m", "local.stand_ins", *options], environment=os.environ)
    assert ended.status == 2
    assert "--script" in ended.err.splitlines()[-1]


def test_the_words_of_a_script_file() -> None:
    assert smtp_action("450 4.2.0 later") == ("rcpt", Reply(450, "4.2.0 later"))
    assert smtp_action("421 4.3.2 closing") == ("rcpt", CloseAfter(Reply(421, "4.3.2 closing")))
    assert smtp_action("dot:451 4.3.0 a: b") == ("dot", Reply(451, "4.3.0 a: b"))
    assert smtp_action("hang") == ("dot", Hang())
    assert smtp_action("connect:reset") == ("connect", Reset())
    assert smtp_action("endless_reply") == ("dot", EndlessReply())
    assert telegram_action("accept_then_reset") == ("request", AcceptThenReset())
    assert telegram_action("reply:bad_gateway_html") == ("reply", answers.bad_gateway_html())
    assert telegram_action("migrated:-100123") == ("request", answers.migrated(-100123))
    assert telegram_action("429:3") == ("request", answers.too_many_requests(3))
    assert telegram_action("503") == ("request", answers.server_error(503))
    assert telegram_action("slow_drip") == ("request", SlowDrip())
    assert telegram_action("proceed") == ("request", Proceed())
    for wrong in ("429:soon", "200", "migrated:x", "dot:hang"):
        with pytest.raises(ValueError, match="no such"):
            telegram_action(wrong)
