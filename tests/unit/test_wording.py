"""What is wrong with a setting or a request is said in plain words: nothing of the libraries that checked it."""

from __future__ import annotations

import pytest

from deploy import check_worker
from settings import Settings, SettingsError
from temporal.reasons import why_away
from tests.support.calling_api import calling_alone
from tests.support.plain_words import internals_in

WRONG = ("bogus", "-1", "1e400", "[1]", " ", "0", "99999999999999999999999999", "'", "{")


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_a_wrong_setting_is_said_in_plain_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in WRONG:
        monkeypatch.setenv(name.upper(), value)
        said = wrong_setting()
        assert internals_in(said) == []
        assert "\n" not in said


def wrong_setting() -> str:
    """What is said of the environment; empty if all is well."""
    try:
        Settings.load()
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMTP_PORT", "abc", "SMTP_PORT: must be a whole number"),
        ("SMTP_PORT", "70000", "SMTP_PORT: must be at most 65535"),
        ("EMAIL_RATE", "0", "EMAIL_RATE: must be greater than 0"),
        ("EMAIL_RATE", "fast", "EMAIL_RATE: must be a number"),
        ("NOTIFY_ON_EXPIRED", "bogus", "NOTIFY_ON_EXPIRED: must be true or false"),
        ("SMTP_TLS", "bogus", "SMTP_TLS: must be 'none', 'starttls' or 'implicit'"),
        ("LOG_FORMAT", "bogus", "LOG_FORMAT: must be 'json' or 'console'"),
        ("HEALTH_PING_URL", "bogus", "HEALTH_PING_URL: must be a URL, such as https://platform.example/path"),
        ("ADMIN_EMAIL", "bogus", "ADMIN_EMAIL: is not an e-mail address: An email address must have an @-sign."),
        ("EXPIRY_THRESHOLDS_DAYS", ",", "EXPIRY_THRESHOLDS_DAYS: has fewer entries than 1"),
    ],
)
def test_it_says_what_to_write(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/notifications?type=bogus", None, "must be 'expiring', 'expired', 'test' or 'alert'"),
        ("/notifications?limit=bogus", None, "must be a whole number"),
        ("/notifications?limit=1000", None, "must be at most 200"),
        ("/notifications?bogus=1", None, "is not known here: remove it"),
        ("/notifications/bogus", None, "must be a whole number"),
        ("/notifications/test", {"email": "bogus"}, "is not an e-mail address: An email address must have an @-sign."),
        ("/notifications/test", {"chat_id": 1.5}, "must be a whole number"),
        ("/notifications/test", {"recipients": "bogus"}, "must be a JSON object"),
        ("/notifications/test", {"recipients": {"email": 5}}, "must be text"),
        ("/notifications/test", [], "must be a JSON object"),
        ("/notifications/test", "{", "is not JSON"),
        ("/projects/x/renew", {}, "is required"),
        ("/contents/x/renew", {}, "is required"),
        (
            "/contents/x/renew",
            {"until": "+7d"},
            "'+7d' is not a time: write ISO 8601 with offset, such as 2027-12-01T00:00:00+01:00",
        ),
    ],
)
async def test_a_wrong_request_is_said_in_plain_words(path: str, body: object, reason: str) -> None:
    async with calling_alone() as alone:
        if body is None:
            response = await alone.get(path)
        elif isinstance(body, str):
            response = await alone.post(path, content=body, headers={"Content-Type": "application/json"})
        else:
            response = await alone.post(path, json=body)
    assert response.status_code == 422
    assert [each["reason"] for each in response.json()["errors"]] == [reason]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError("
                'ConnectError("tcp connect error", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: '
                '"Connection refused" })))'
            ),
            "Connection refused",
        ),
        (
            (
                "Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError("
                'ConnectError("dns error", Custom { kind: Uncategorized, error: "failed to lookup address information: '
                'Name or service not known" })))'
            ),
            "failed to lookup address information: Name or service not known",
        ),
        (
            (
                "Server connection error: tonic::transport::Error(Transport, Custom { kind: InvalidData, error: "
                "InvalidCertificate(UnknownIssuer) })"
            ),
            "the server's certificate is not valid: unknown issuer",
        ),
        ("tonic::transport::Error(Transport, hyper::Error(Io, Custom { kind: Other }))", "the connection failed"),
        ("tonic::" + 'message: "x' + "y" * 100_000, "the connection failed"),
    ],
)
def test_of_the_clients_error_the_systems_own_words_are_left(text: str, said: str) -> None:
    assert why_away(RuntimeError(text)) == f"cannot reach Temporal at TEMPORAL_ADDRESS: {said}"


async def test_a_queue_that_does_not_exist_is_named_by_the_workers_check(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        await check_worker.main(["--queues", "email,bogus"])
    assert left.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("argument --queues: 'bogus' is not a task queue: choose from workflows, email, telegram")
