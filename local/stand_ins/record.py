"""Records everything that either stand-in accepts, one JSON line per message."""

import json
import os
from collections import Counter
from pathlib import Path

from local.stand_ins.smtp_sink import ReceivedMail
from local.stand_ins.telegram_api import ReceivedMessage


class Record:
    """Keeps the lines, and appends each to a file if there is one, before the sender gets its answer.

    It first reads the file's lines from earlier processes, so the record continues after a restart. `counts`, by
    channel, includes them. `mail` and `message` return after the line is written, so it survives a killed process.
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
        """The latest Telegram message id, or 0."""
        ids = (int(str(line["message_id"])) for line in self.lines if line["channel"] == "telegram")
        return max(ids, default=0)

    def _add(self, line: dict[str, object]) -> None:
        if self._file is not None:
            os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self.lines.append(line)
        self.counts[line["channel"]] += 1
