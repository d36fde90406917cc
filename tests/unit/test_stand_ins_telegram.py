import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from local.stand_ins import telegram_answers as answers
from local.stand_ins.http_server import Answer
from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset
from local.stand_ins.telegram_answers import SlowDrip
from local.stand_ins.telegram_api import TelegramApi
from local.stand_ins.telegram_limits import SendingLimits


@pytest.fixture
async def api() -> AsyncIterator[TelegramApi]:
    async with TelegramApi() as api:
        yield api


@pytest.fixture
async def http(api: TelegramApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url, timeout=5) as http:
        yield http


async def send(http: httpx.AsyncClient, api: TelegramApi, chat: int | str = 5, **fields: object) -> httpx.Response:
    body = {"chat_id": chat, "text": "Seven days left.", **fields}
    return await http.post(f"/bot{api.token}/sendMessage", json=body)


async def test_the_api_keeps_a_message_as_it_was_sent(http: httpx.AsyncClient, api: TelegramApi) -> None:
    text = '<b>Müller &amp; Co</b>: <a href="https://x.example/?a=1&amp;b=2">seven</a> days left'
    first = (await send(http, api, text=text, parse_mode="HTML")).json()
    second = (await send(http, api, chat=-1001234567890)).json()

    assert first["ok"] is True
    assert first["result"]["text"] == "Müller & Co: seven days left"
    assert first["result"]["chat"] == {"id": 5, "type": "private"}
    assert second["result"]["chat"]["type"] == "supergroup"
    assert [first["result"]["message_id"], second["result"]["message_id"]] == [1, 2]

    kept, _ = await api.wait_for(2)
    assert (kept.chat_id, kept.text, kept.parse_mode, kept.message_id) == (5, text, "HTML", 1)
    assert int(kept.accepted_at.timestamp()) == first["result"]["date"]
    assert api.to(5) == [kept]


async def test_requests_share_a_connection(http: httpx.AsyncClient, api: TelegramApi) -> None:
    for _ in range(3):
        await send(http, api)
    assert api.connections_opened == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_get_me_tells_who_the_bot_is(http: httpx.AsyncClient, api: TelegramApi, method: str) -> None:
    answer = (await http.request(method, f"/bot{api.token}/getMe")).json()
    assert answer["result"]["is_bot"] is True
    assert api.token.startswith(f"{answer['result']['id']}:")


async def test_the_token_is_checked(http: httpx.AsyncClient, api: TelegramApi) -> None:
    unknown = await http.post(f"/bot123456789:{'x' * 35}/sendMessage", json={})
    assert (unknown.status_code, unknown.json()) == (
        401,
        {"ok": False, "error_code": 401, "description": "Unauthorized"},
    )
    for path in ("/bot123/getMe", f"/bot{api.token}/flyToTheMoon", "/"):
        malformed = await http.get(path)
        assert (malformed.status_code, malformed.json()["description"]) == (404, "Not Found")
    assert api.accepted == 0


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": None}, "message text is empty"),
        ({"text": " \n"}, "text must be non-empty"),
        ({"chat_id": ""}, "chat_id is empty"),
        ({"chat_id": 6}, "chat not found"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"parse_mode": "XML"}, "unsupported parse_mode"),
        ({"text": "5 < 6"}, """can't parse entities: Unsupported start tag "" at byte offset 2"""),
        ({"text": "ü<p>x</p>"}, """can't parse entities: Unsupported start tag "p" at byte offset 2"""),
        ({"text": "<b>x"}, """can't parse entities: Can't find end tag corresponding to start tag "b\""""),
        ({"text": "<b"}, """can't parse entities: Unclosed start tag "b" at byte offset 0"""),
        ({"text": "</b>"}, "can't parse entities: Unexpected end tag at byte offset 0"),
        (
            {"text": "<b>x</i>"},
            """can't parse entities: Unmatched end tag at byte offset 4, expected "</b>", found "</i>\"""",
        ),
        (
            {"text": "<span>x</span>"},
            """can't parse entities: Tag "span" must have class "tg-spoiler" at byte offset 0""",
        ),
    ],
)
async def test_what_telegram_refuses(fields: dict[str, Any], why: str) -> None:
    async with TelegramApi(chats=[5]) as api, httpx.AsyncClient(base_url=api.url) as http:
        refused = await send(http, api, **{"parse_mode": "HTML", "chat": 5, **fields})
        assert refused.status_code == 400
        assert refused.json() == {"ok": False, "error_code": 400, "description": f"Bad Request: {why}"}
        assert api.accepted == 0


async def test_the_length_counts_after_parsing(http: httpx.AsyncClient, api: TelegramApi) -> None:
    text = f"<i>{'x' * 4095}</i>&lt;"
    assert (await send(http, api, text=text, parse_mode="HTML")).status_code == 200


async def test_a_body_that_is_no_json_object_is_refused(http: httpx.AsyncClient, api: TelegramApi) -> None:
    for body in (b"{", b"[]", b'{"chat_id": 5, "text": "\\ud800"}'):
        assert (await http.post(f"/bot{api.token}/sendMessage", content=body)).status_code == 400


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (answers.too_many_requests(7), 429, '"parameters":{"retry_after":7}'),
        (answers.blocked(), 403, "Forbidden: bot was blocked by the user"),
        (answers.deactivated(), 403, "Forbidden: user is deactivated"),
        (answers.kicked(), 403, "Forbidden: bot was kicked from the group chat"),
        (answers.chat_not_found(), 400, "Bad Request: chat not found"),
        (answers.migrated(-1001234567890), 400, '"parameters":{"migrate_to_chat_id":-1001234567890}'),
        (answers.server_error(), 500, "Internal Server Error"),
        (answers.bad_gateway_html(), 502, "<html>"),
        (answers.malformed_json(), 200, '{"ok":true,"result":{"message_id":'),
        (Answer(418, {"tea": True}, {"X-Pot": "1"}), 418, '{"tea":true}'),
    ],
)
async def test_a_scripted_answer_is_given_once_and_to_its_chat(
    http: httpx.AsyncClient, api: TelegramApi, answer: Answer, status: int, body: str
) -> None:
    api.on("request", Proceed(), answer, recipient=5)
    assert (await send(http, api)).status_code == 200
    assert (await send(http, api, chat=6)).status_code == 200
    scripted = await send(http, api)
    assert scripted.status_code == status
    assert body in scripted.text
    assert answer.headers.items() <= {name.title(): value for name, value in scripted.headers.items()}.items()
    assert (await send(http, api)).status_code == 200
    assert len(api.to(5)) == 2
    assert api.attempts("request", 5) == 3


async def test_a_lasting_answer_stays_until_it_is_cleared(http: httpx.AsyncClient, api: TelegramApi) -> None:
    api.always("request", answers.blocked(), recipient=5)
    assert [(await send(http, api)).status_code for _ in range(3)] == [403, 403, 403]
    api.clear()
    assert (await send(http, api)).status_code == 200


async def test_get_me_can_be_scripted(http: httpx.AsyncClient, api: TelegramApi) -> None:
    api.on("get_me", answers.server_error(503))
    assert [(await http.get(f"/bot{api.token}/getMe")).status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    ("stage", "action", "kept"),
    [("request", Reset(), 0), ("request", AcceptThenReset(), 1), ("reply", Reset(), 1)],
)
async def test_a_reset_is_a_reset(
    http: httpx.AsyncClient, api: TelegramApi, stage: Any, action: Any, kept: int
) -> None:
    api.on(stage, action, recipient=5)
    with pytest.raises(httpx.ReadError):
        await send(http, api)
    assert api.accepted == kept


@pytest.mark.parametrize(("stage", "kept"), [("request", 0), ("reply", 1)])
async def test_a_server_that_hangs_holds_the_client(
    http: httpx.AsyncClient, api: TelegramApi, stage: Any, kept: int
) -> None:
    api.on(stage, Hang())
    http.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        await send(http, api)
    assert api.accepted == kept


async def test_a_slow_answer_comes_in_drips(http: httpx.AsyncClient, api: TelegramApi) -> None:
    api.on("request", SlowDrip(pause=0.001))
    body = {"chat_id": 5, "text": "hello"}
    async with http.stream("POST", f"/bot{api.token}/sendMessage", json=body) as response:
        drips = [drip async for drip in response.aiter_raw()]
    assert len(drips) > 1
    assert b"".join(drips).endswith(b'"text":"hello"}}')


@pytest.mark.parametrize(("stage", "kept"), [("request", 0), ("reply", 1)])
async def test_a_client_that_dies_at_a_gate_leaves_what_was_kept_before(
    http: httpx.AsyncClient, api: TelegramApi, stage: Any, kept: int
) -> None:
    gate = api.hold(stage, 5)
    sending = asyncio.create_task(send(http, api))
    await gate.reached.wait()
    await send(http, api, chat=6)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    api.clear()
    await send(http, api)
    assert len(api.to(5)) == kept + 1


async def test_limits_are_those_of_telegram() -> None:
    now = 100.0
    limits = SendingLimits(clock=lambda: now)
    async with TelegramApi(limits=limits) as api, httpx.AsyncClient(base_url=api.url) as http:
        assert (await send(http, api)).status_code == 200
        flood = await send(http, api)
        assert (flood.status_code, flood.json()["parameters"]["retry_after"]) == (429, 1)
        assert flood.headers["Retry-After"] == "1"
        others = [(await send(http, api, chat=chat)).status_code for chat in range(10, 40)]
        assert others == [200] * 29 + [429]
        now += 1
        assert (await send(http, api)).status_code == 200


def test_a_group_gets_twenty_a_minute() -> None:
    now = 0.0
    limits = SendingLimits(clock=lambda: now)
    waits = []
    for _ in range(21):
        waits.append(limits.take("-5"))
        now += 1
    assert waits == [0] * 20 + [40]
    assert limits.take("5") == 0


async def test_a_stopped_api_ends_its_connections_and_comes_back(http: httpx.AsyncClient, api: TelegramApi) -> None:
    gate = api.hold("request")
    sending = asyncio.create_task(send(http, api))
    await gate.reached.wait()
    await api.stop()
    with pytest.raises(httpx.ReadError):
        await sending
    with pytest.raises(httpx.ConnectError):
        await send(http, api)
    api.clear()
    await api.start()
    assert (await send(http, api)).status_code == 200


async def test_what_could_never_happen_is_refused(api: TelegramApi) -> None:
    with pytest.raises(ValueError, match="no chat"):
        api.on("get_me", Hang(), recipient=5)
    with pytest.raises(ValueError, match="no such stage"):
        api.hold("noon")  # type: ignore[arg-type] # refused
    with pytest.raises(ValueError, match="belongs to stage request"):
        api.on("reply", AcceptThenReset())
