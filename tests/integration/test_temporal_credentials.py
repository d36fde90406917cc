"""Credentials for Temporal are exchanged in their files under a running worker, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
import trustme
from temporalio.client import Client

from temporal import rotation
from temporal.client import RenewableClient, connect
from temporal.rotation import current_credentials
from tests.support.scene import PATIENCE, Scene
from tests.support.serving import serving
from tests.support.tls_front import TlsFront, write_client_certificate

FIRST, SECOND = "first", "second"


@dataclass(frozen=True)
class Secured:
    """A scene whose worker comes through a front end that asks for a certificate."""

    scene: Scene
    client: RenewableClient
    front: TlsFront
    authorities: tuple[trustme.CA, trustme.CA]
    certificate: Path
    key: Path

    async def renewed(self, before: object) -> None:
        """Waits until the client has left the connection `before`."""
        async with asyncio.timeout(PATIENCE):
            while self.client.service_client is before:
                await asyncio.sleep(0.05)  # it tells nobody


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "LOOK_EVERY", 0.1)


@pytest.fixture
async def secured(
    scene: Scene, tmp_path: Path, reserved_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Secured]:
    first, second = trustme.CA(), trustme.CA()
    certificate, key, authority = tmp_path / "client.pem", tmp_path / "client.key", tmp_path / "authority.pem"
    write_client_certificate(first, FIRST, certificate, key)
    first.cert_pem.write_to_path(authority)
    target, port = scene.client.service_client.config.target_host, reserved_port()
    for name, value in {
        "TEMPORAL_ADDRESS": f"localhost:{port}",
        "TEMPORAL_NAMESPACE": scene.client.namespace,
        "TEMPORAL_TLS_CLIENT_CERT_PATH": certificate,
        "TEMPORAL_TLS_CLIENT_KEY_PATH": key,
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": authority,
    }.items():
        monkeypatch.setenv(name, str(value))
    async with TlsFront(target, port, first, second) as front:
        client = await connect()
        own = replace(scene, client=client, run_worker=serving(client))
        yield Secured(own, client, front, (first, second), certificate, key)


async def test_a_certificate_is_exchanged_while_a_mail_is_being_sent(secured: Secured) -> None:
    scene, front = secured.scene, secured.front
    await scene.due_project()
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        before = secured.client.service_client
        assert set(front.shown) == {FIRST}
        write_client_certificate(secured.authorities[1], SECOND, secured.certificate, secured.key)
        await secured.renewed(before)
        await front.trust(secured.authorities[1])
        await front.end_connections_of(FIRST)
        held.release()
        await scene.children_end()
        await scene.due_project(slug="later", contact_email="later@customer.example", telegram_chat_id=78)
        await scene.scan()
        await scene.children_end()

    assert SECOND in front.shown
    assert sorted(mail.recipients for mail in scene.sink.messages) == [
        ("anna@customer.example",),
        ("later@customer.example",),
    ]
    assert len(scene.telegram.messages) == 2
    assert {(each.status, each.attempts) for each in await scene.platform.deliveries()} == {("accepted", 1)}


async def test_a_certificate_that_is_not_accepted_changes_nothing_and_is_tried_until_it_is(secured: Secured) -> None:
    before = secured.client.service_client
    stranger = trustme.CA()
    with structlog.testing.capture_logs() as logs:
        async with current_credentials(secured.client):
            write_client_certificate(stranger, "stranger", secured.certificate, secured.key)
            async with asyncio.timeout(PATIENCE):
                while "temporal_credentials_refused" not in [each["event"] for each in logs]:
                    await asyncio.sleep(0.05)  # it tells nobody
            assert secured.client.service_client is before
            await secured.front.trust(*secured.authorities, stranger)
            await secured.renewed(before)
    assert secured.front.shown[-1] == "stranger"


async def test_the_halves_of_two_certificates_are_not_used(secured: Secured) -> None:
    """As while one file is written and the other not yet."""
    before, old_key = secured.client.service_client, secured.key.read_bytes()
    with structlog.testing.capture_logs() as logs:
        async with current_credentials(secured.client):
            write_client_certificate(secured.authorities[1], SECOND, secured.certificate, secured.key)
            new_key = secured.key.read_bytes()
            secured.key.write_bytes(old_key)
            async with asyncio.timeout(PATIENCE):
                while "temporal_credentials_refused" not in [each["event"] for each in logs]:
                    await asyncio.sleep(0.05)  # it tells nobody
            assert secured.client.service_client is before
            secured.key.write_bytes(new_key)
            await secured.renewed(before)
    assert secured.front.shown[-1] == SECOND


async def test_an_api_key_is_read_from_its_file_and_again_when_it_changes(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("one\n")
    monkeypatch.setenv("TEMPORAL_API_KEY_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_TLS", "false")
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
    client = await connect(identity="of-the-test")
    assert client.api_key == "one"
    before = client.service_client
    with structlog.testing.capture_logs() as logs:
        async with current_credentials(client):
            file.unlink()
            async with asyncio.timeout(PATIENCE):
                while "temporal_credentials_unreadable" not in [each["event"] for each in logs]:
                    await asyncio.sleep(0.05)  # it tells nobody
            assert client.service_client is before
            file.write_text("two\n")
            async with asyncio.timeout(PATIENCE):
                while client.service_client is before:
                    await asyncio.sleep(0.05)  # it tells nobody
    assert (client.api_key, client.identity) == ("two", "of-the-test")
    assert not any("one" in str(each) or "two" in str(each) for each in logs)
