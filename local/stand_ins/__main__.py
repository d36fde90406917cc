"""`python -m local.stand_ins --dir DIR`: both stand-ins in one process until SIGTERM or SIGINT, then exit status 0.

`DIR/stand_ins.json` tells where they listen. It is written once they do, its `pid` tells by whom, and a line
with the same content goes to stdout. A restart with the same DIR takes the same token, and the same ports if
they are free. `DIR/received.jsonl` gets a line for each message accepted. On the Telegram side
GET /_stand_in/received gives the same lines, and /_stand_in/counts numbers.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.stand_ins.record import Record
from local.stand_ins.script_file import apply_script
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.stand_in import StandIn
from local.stand_ins.telegram_api import TelegramApi


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 after a signal, 2 for a wrong argument or script."""
    parser = argparse.ArgumentParser(prog="python -m local.stand_ins", description="An SMTP server and Telegram's API.")
    parser.add_argument("--dir", type=Path, required=True, help="for stand_ins.json and received.jsonl")
    parser.add_argument("--mail-dir", type=Path, help="gets each accepted mail as a file")
    parser.add_argument(
        "--script", type=Path, help="scripted behaviour; the format is in local/stand_ins/script_file.py"
    )
    parser.add_argument("--no-record", action="store_true", help="keep the lines in memory only")
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
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await _start(sink)
    await _start(api)
    found = {
        "smtp_host": sink.host,
        "smtp_port": sink.port,
        "telegram_api_url": api.url,
        "telegram_bot_token": api.token,
        "pid": os.getpid(),
    }
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
        # Somebody has taken the port since the last run.
        stand_in.port = 0
        await stand_in.start()


if __name__ == "__main__":
    sys.exit(main())
