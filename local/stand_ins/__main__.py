"""Runs both stand-ins in one process until SIGTERM or SIGINT: `python -m local.stand_ins --dir DIR`.

Once they listen, it writes `DIR/stand_ins.json` with their addresses and its `pid`, and `DIR/stand_ins.env` with the
application's settings for them; it prints the content of the first as one line. A restart with the same DIR keeps the
token, and the ports if they are free. `DIR/received.jsonl` gets a line for each accepted message. On the Telegram port
GET /_stand_in/received returns the same lines, and /_stand_in/counts the number of messages and attempts.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.stand_ins.record import Record
from local.stand_ins.script_file import apply_script
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.stand_in import StandIn
from local.stand_ins.telegram_api import TelegramApi
from runtime import signals


def main(arguments: list[str] | None = None) -> int:
    """Run them. Returns the exit status: 0 after a signal, 2 for a wrong argument or script."""
    parser = argparse.ArgumentParser(prog="python -m local.stand_ins", description="A mail server and Telegram's API.")
    parser.add_argument("--dir", type=Path, required=True, help="folder for stand_ins.json and received.jsonl")
    parser.add_argument("--mail-dir", type=Path, help="folder for the accepted mails, one file each")
    parser.add_argument(
        "--script",
        type=Path,
        help="JSON file of scripted behaviour; its format is in local/stand_ins/script_file.py",
    )
    parser.add_argument("--no-record", action="store_true", help="keep the record in memory only")
    options = parser.parse_args(arguments)
    options.dir.mkdir(parents=True, exist_ok=True)
    endpoints: Path = options.dir / "stand_ins.json"
    earlier = json.loads(endpoints.read_bytes()) if endpoints.exists() else {}
    record = Record(None if options.no_record else options.dir / "received.jsonl")
    sink, api = _build(record, options.mail_dir, earlier)
    if options.script:
        try:
            apply_script(options.script, sink, api)
        except (OSError, ValueError) as error:
            parser.error(f"--script: {error}")
    asyncio.run(_serve(sink, api, endpoints))
    record.close()
    return 0


def _build(record: Record, mail_dir: Path | None, earlier: Mapping[str, Any]) -> tuple[SmtpSink, TelegramApi]:
    sink = SmtpSink(port=earlier.get("smtp_port", 0), folder=mail_dir, keep=False, on_accept=record.mail)
    api = TelegramApi(
        port=int(earlier.get("telegram_api_url", ":0").rpartition(":")[2]),
        token=earlier.get("telegram_bot_token"),
        last_message_id=record.last_message_id(),
        keep=False,
        on_accept=record.message,
        pages={
            "/_stand_in/received": lambda: record.lines,
            "/_stand_in/counts": lambda: {
                "email": record.counts["email"],
                "telegram": record.counts["telegram"],
                "smtp_connections": sink.connections_opened,
                "rcpt_attempts": sink.attempts("rcpt"),
                "send_message_attempts": api.attempts("request"),
            },
        },
    )
    return sink, api


async def _serve(sink: SmtpSink, api: TelegramApi, endpoints: Path) -> None:
    stop = signals.stop_on_signals()
    await _start(sink)
    await _start(api)
    found = {
        "smtp_host": sink.host,
        "smtp_port": sink.port,
        "telegram_api_url": api.url,
        "telegram_bot_token": api.token,
        "pid": os.getpid(),
    }
    endpoints.with_suffix(".env").write_text(
        f"SMTP_HOST={sink.host}\nSMTP_PORT={sink.port}\nSMTP_TLS=none\n"
        f"TELEGRAM_API_URL={api.url}\nTELEGRAM_BOT_TOKEN={api.token}\nSTAND_INS_PID={os.getpid()}\n"
    )
    unfinished = endpoints.with_suffix(".tmp")
    unfinished.write_text(json.dumps(found, indent=2) + "\n")
    unfinished.replace(endpoints)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await sink.stop()
    await api.stop()


async def _start(stand_in: StandIn[Any, Any, Any, Any]) -> None:
    try:
        await stand_in.start()
    except OSError:
        # Another process has taken the port since the last run.
        stand_in.port = 0
        await stand_in.start()


if __name__ == "__main__":
    sys.exit(main())
