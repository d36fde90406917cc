"""Telegram through a proxy of ours, and none that the environment names."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from channels.base import TryAgain
from channels.configured import scrub
from channels.telegram import bot_api, socks_setup
from local.programs import CHECKOUT, Program
from tests.support.product import PRODUCT, python_files
from tests.support.proxies import PASSWORD, HttpProxy, Nonsense, Proxy, Silence, Socks5Proxy
from tests.support.scanning import start_scan
from tests.support.scene import CHAT, PATIENCE, Scene
from tests.support.worker_process import environment, worker_process

NOBODY = "127.0.0.1:1"
HOSTILE = {
    "no_cidr": {"NO_PROXY": "fd00::/8,10.0.0.0/8"},
    "no_ipv6": {"NO_PROXY": "[::1],::1,localhost"},
    "socks": {"ALL_PROXY": f"socks5://{NOBODY}", "all_proxy": f"socks5h://{NOBODY}"},
    "socks4": {"ALL_PROXY": f"socks4://{NOBODY}"},
    "http": dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), f"http://{NOBODY}"),
    "nonsense": {"ALL_PROXY": "not a url", "HTTPS_PROXY": "://", "NO_PROXY": "*:*,[", "grpc_proxy": "http://x:y:z"},
}


@pytest.mark.parametrize("kind", [HttpProxy, Socks5Proxy])
@pytest.mark.parametrize("login", [False, True], ids=["open", "with_login"])
async def test_messages_go_through_the_proxy(scene: Scene, kind: type[Proxy], login: bool) -> None:
    async with kind(login=login) as proxy:
        scene = scene.with_settings(telegram_proxy=SecretStr(proxy.url))
        await scene.due_project()
        await scene.scan_and_send()
        assert proxy.targets == [f"{scene.telegram.host}:{scene.telegram.port}"]
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert len(scene.telegram.messages) == 1


async def test_socks5h_is_the_same(scene: Scene) -> None:
    async with Socks5Proxy() as proxy:
        scene = scene.with_settings(telegram_proxy=SecretStr(proxy.url.replace("socks5:", "socks5h:")))
        await scene.due_project()
        await scene.scan_and_send()
        assert len(proxy.targets) == 1
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_connection_to_https_is_a_tunnel() -> None:
    """The proxy sees a name and a port, and never the URL with its token."""
    async with HttpProxy() as proxy, bot_api.new_client(1, proxy.url) as client:
        with pytest.raises(TryAgain):
            await bot_api.get_me(client, f"https://{NOBODY}", "1:x")
        assert proxy.targets == [NOBODY]


@pytest.mark.parametrize("kind", [HttpProxy, Socks5Proxy])
async def test_a_proxy_that_refuses_our_login_keeps_the_message_waiting(
    scene: Scene, tmp_path: Path, kind: type[Proxy]
) -> None:
    """E-mail goes on, and with the right login in the file the message goes out."""
    async with kind(login=True) as proxy:
        await waits_until_corrected(scene, tmp_path, proxy, proxy.url.replace(PASSWORD, "wrong"))


@pytest.mark.parametrize("value", ["socks4://127.0.0.1:1080", "nonsense"])
async def test_a_proxy_that_is_made_malformed_keeps_the_message_waiting(
    scene: Scene, tmp_path: Path, value: str
) -> None:
    async with Socks5Proxy() as proxy:
        await waits_until_corrected(scene, tmp_path, proxy, value)


async def test_a_proxy_that_speaks_nonsense_keeps_the_message_waiting(scene: Scene, tmp_path: Path) -> None:
    async with Socks5Proxy() as proxy, Nonsense() as nonsense:
        await waits_until_corrected(scene, tmp_path, proxy, nonsense.url)
    assert not (await scene.delivery("telegram")).possible_duplicate


async def test_a_silent_socks_proxy_uses_up_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client may have two connections. After three attempts it could have none left."""
    monkeypatch.setattr(socks_setup, "SETUP_WITHIN", 0.1)
    async with Silence() as silence, bot_api.new_client(2, silence.url) as client:
        for _ in range(3):
            with pytest.raises(TryAgain, match="telegram_proxy_error"):
                await bot_api.get_me(client, f"http://{NOBODY}", "1:x")
            with pytest.raises(TryAgain, match="telegram_proxy_error"):
                await bot_api.send(client, f"http://{NOBODY}", "1:x", CHAT, "Soon", never)
        async with asyncio.timeout(PATIENCE):
            while silence.ended < 6:
                await asyncio.sleep(0.01)  # the proxy tells nobody


async def never() -> None:
    raise AssertionError("nothing is written")


async def waits_until_corrected(scene: Scene, folder: Path, proxy: Proxy, wrong: str) -> None:
    """The file changes under a running worker: to the wrong value, and then to the proxy's URL."""
    file = folder / "telegram_proxy"
    file.write_text(wrong)
    scene = scene.with_settings(telegram_proxy_file=file)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for(1, PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while (await scene.delivery("telegram")).reason is None:
                await asyncio.sleep(0.05)  # the database tells nobody
        assert (await scene.delivery("telegram")).status in ("pending", "sending")
        file.write_text(proxy.url)
        await scene.children_end()
    assert proxy.targets == [f"{scene.telegram.host}:{scene.telegram.port}"]
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert [message.chat_id for message in scene.telegram.messages] == [CHAT]


@pytest.mark.parametrize("variables", HOSTILE.values(), ids=HOSTILE)
async def test_what_the_environment_says_of_proxies_stops_no_worker(scene: Scene, variables: dict[str, str]) -> None:
    """Telegram, SMTP, PostgreSQL and Temporal are reached directly."""
    await scene.due_project()
    async with worker_process(scene, **variables):
        await start_scan(scene.client, scene.settings)
        await scene.sink.wait_for(1, PATIENCE)
        await scene.telegram.wait_for(1, PATIENCE)
        await scene.children_end()
    assert await scene.ends() == ("delivered", "accepted", "accepted")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TELEGRAM_PROXY", "socks4://user:hidden@127.0.0.1:1080"),
        ("TELEGRAM_PROXY", "user:hidden@127.0.0.1:1080"),
        ("TELEGRAM_PROXY", "http://user:hidden@:1080"),
        ("TELEGRAM_PROXY_FILE", "/no/such/hidden"),
        ("SSL_CERT_FILE", "/no/such/hidden"),
    ],
)
async def test_a_wrong_value_exits_2_and_names_the_setting(
    scene: Scene, tmp_path: Path, variable: str, value: str
) -> None:
    variables = environment(scene.client, scene.settings) | {variable: value}
    process = Program(("worker.py",), log_file=tmp_path / "log", environment=variables, checkout=CHECKOUT)
    assert await process.exit_status() == 2
    said = (tmp_path / "log").read_text()
    assert f"worker: {variable}: " in said
    assert value.startswith("/") or "hidden" not in said


def test_logs_show_no_login_of_a_proxy() -> None:
    said = scrub("cannot reach socks5://proxy-user:proxy-password@127.0.0.1:1080 or https://u:p@proxy.example/x")
    assert said == "cannot reach socks5://***@127.0.0.1:1080 or https://***@proxy.example/x"


def test_every_client_of_the_product_is_made_in_one_place() -> None:
    files = [*python_files(*PRODUCT, "bench", "deploy", "local", "workflows"), CHECKOUT / "worker.py"]
    made = [file.name for file in files if re.search(r"httpx\.(AsyncClient|Client|get|post)\(", file.read_text())]
    assert made == ["http_client.py"]
