"""The record of everything received by either stand-in, one JSON line a message."""

import json
import os
from collections import Counter
from pathlib import Path

from local.stand_ins.smtp_sink import ReceivedMail
from local.stand_ins.telegram_api import ReceivedMessage


class Record:
    """Holds the lines, and appends each to a file if one is given, before the sender is answered.

    Lines that the file holds from earlier processes are read first, so the record goes on after a restart;
    `counts`, by channel, includes them.
    A line is with the operating system before `mail` or `message` returns: it outlives a killed process.
    """

    def __init__(self, path: Path | None) -> None:
        self.lines: list[dict[str, object]] = []
        self.counts: Counter[object] = Counter()
        self._file: int | None = None
        if path is None:
            return
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        whole, newline, torn = path.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._file, len(whole) + len(newline))
        self.lines = [json.loads(line) for line in whole.splitlines()]
        self.counts.update(line["channel"] for line in self.lines)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def mail(self, mail: ReceivedMail) -> None:
        self._add(
            {
                "channel": "email",
                "notification_id": mail.notification_id,
                "recipient": ", ".join(mail.recipients),
                "subject": mail.subject,
                "message_id": mail.message_id,
                "at": mail.accepted_at.isoformat(),
            }
        )

    def message(self, message: ReceivedMessage) -> None:
        self._add(
            {
                "channel": "telegram",
                "notification_id": None,
                "chat_id": message.chat_id,
                "text": message.text,
                "message_id": message.message_id,
                "at": message.accepted_at.isoformat(),
            }
        )

    def last_message_id(self) -> int:
        """Telegram's latest message id, 0 if there is none."""
        ids = (int(str(line["message_id"])) for line in self.lines if line["channel"] == "telegram")
        return max(ids, default=0)

    def _add(self, line: dict[str, object]) -> None:
        if self._file is not None:
            os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self.lines.append(line)
        self.counts[line["channel"]] += 1
