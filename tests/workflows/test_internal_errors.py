"""An exception that nobody foresaw: it gets a reason, one alert and an end of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from channels.email import sender
from channels.email.composing import compose
from local.stand_ins.smtp_actions import Reply
from tests.support.health_scene import ADMIN
from tests.support.scene import EMAIL, PATIENCE, Scene, events

QUOTED = "beate.boite@customer.example"

Compose = Callable[..., Any]


@pytest.fixture
def scene(scene: Scene) -> Scene:
    return scene.with_settings(admin_email=ADMIN)


def failing(error: Callable[[], Exception]) -> Compose:
    """Composes alerts only."""

    def composing(settings: Any, notification_id: Any, key: str, *rest: Any) -> Any:
        if key.startswith("alert."):
            return compose(settings, notification_id, key, *rest)
        raise error()

    return composing


def unencodable() -> Exception:
    try:
        "\xfc.example".encode("ascii")
    except UnicodeEncodeError as error:
        return error
    raise AssertionError


ERRORS = [unencodable, lambda: ValueError(QUOTED), lambda: FileNotFoundError(2, QUOTED), lambda: KeyError(QUOTED)]


@pytest.mark.parametrize("error", ERRORS, ids=["unicode", "value", "file", "key"])
async def test_it_is_given_up_with_a_reason_before_the_items_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    monkeypatch.setattr(sender, "compose", failing(error))
    scene = scene.with_settings(internal_error_give_up=0.5)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        child = await scene.child()
        await child.result()
        await scene.sink.wait_for(1, PATIENCE)

    assert await scene.ends() == ("delivered", "failed", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.provider_reply, email.possible_duplicate) == ("internal_error", None, False)
    assert email.attempts > 1
    alerts = [each for each in await scene.platform.notifications() if each.notification_type == "alert"]
    assert [each.subject for each in alerts] == ["E-mail: an error of this application"]
    assert [mail.recipients for mail in scene.sink.messages] == [(ADMIN,)]
    history = await child.fetch_history()
    [failed] = events(history, "ACTIVITY_TASK_FAILED")
    assert failed.activity_task_failed_event_attributes.failure.application_failure_info.type == "internal_error"
    assert QUOTED.encode() not in b"".join(event.SerializeToString() for event in history.events)


async def test_it_waits_with_its_reason_and_goes_out_once_the_fault_is_mended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "compose", failing(unencodable))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.put_off("email", "internal_error")
        assert (await scene.delivery("email")).reason == "internal_error"
        monkeypatch.setattr(sender, "compose", compose)
        await scene.children_end()

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    email = await scene.delivery("email")
    assert (email.reason, email.possible_duplicate) == (None, False)
    assert email.attempts > 1


async def test_it_is_given_up_only_if_all_attempts_meanwhile_failed_by_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider refuses the attempt between two errors, for longer than either may last alone."""
    mails = 0

    def failing_at_first_and_third(settings: Any, notification_id: Any, key: str, *rest: Any) -> Any:
        nonlocal mails
        mails += not key.startswith("alert.")
        if not key.startswith("alert.") and mails in (1, 3):
            raise unencodable()
        return compose(settings, notification_id, key, *rest)

    monkeypatch.setattr(sender, "compose", failing_at_first_and_third)
    scene = scene.with_settings(internal_error_give_up=0.001)
    scene.sink.on("rcpt", Reply(450, "4.2.0 greylisted"), recipient=EMAIL)
    await scene.due_project()
    await scene.scan_and_send()

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (await scene.delivery("email")).attempts == 4


async def test_after_the_text_was_written_it_is_in_doubt(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telegram has the message, and our reading of its answer fails."""

    def unreadable(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("channels.telegram.bot_api._receipt", unreadable)
    await scene.due_project(contact_email=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("in_doubt", "skipped", "unknown")
    assert len(scene.telegram.messages) == 1
