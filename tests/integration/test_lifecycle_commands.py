"""`deactivate` and `renew` on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from settings import Settings
from tests.support.command_line import cli
from tests.support.data import Platform, in_days
from tests.support.deactivations import Deactivations
from tests.support.scanning import all_finished
from tests.support.serving import RunWorker

UNTIL = "2999-06-01T12:00:00+02:00"
BY = ("--by", "anna", "--why", "they paid")


@pytest.fixture
def database(database_url: str) -> dict[str, str]:
    """An environment with the test's database. No Temporal answers."""
    return {"DATABASE_URL": database_url, "TELEGRAM_BOT_TOKEN": "1:x"}


@pytest.fixture
def environment(database: dict[str, str], temporal: Client) -> dict[str, str]:
    return database | {
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "TEMPORAL_UI_URL": "http://ui.example/",
    }


@pytest.fixture
async def ended(platform: Platform) -> None:
    """A project that has ended and is on still, with its content."""
    company = await platform.company(slug="museum", timezone="Pacific/Auckland")
    project = await platform.project(company, slug="ship", expires_at=in_days(-1))
    await platform.content(company, project, slug="bow")


@pytest.mark.parametrize(
    "arguments",
    [
        ["deactivate", "--wait", "--dry-run"],
        ["deactivate", "--timeout", "3"],
        ["deactivate", "--dry-run", "--allow-many"],
        ["renew"],
        ["renew", "ship"],
        ["renew", "--until", "+365d"],
        ["renew", "ship", "--until", "tomorrow"],
        ["renew", "ship", "--until", "2999-01-01T00:00:00"],
        ["renew", "ship", "--until", "2020-01-01T00:00:00Z"],
        ["renew", "ship", "--until", "-1d"],
    ],
)
async def test_a_wrong_argument_exits_2_with_nothing_on_stdout(arguments: list[str]) -> None:
    ended = await cli(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert "Error: " in ended.err


@pytest.mark.usefixtures("ended")
async def test_deactivate_wait_follows_it_to_its_end(
    environment: dict[str, str],
    settings: Settings,
    platform: Platform,
    deactivations: Deactivations,
    run_worker: RunWorker,
    temporal: Client,
) -> None:
    async with run_worker(settings):
        ended = await cli("deactivate", "--wait", "--json", environment=environment)
        again = await cli("deactivate", "--wait", environment=environment)
        await all_finished(temporal, [row.workflow_id for row in await platform.notifications()])
    assert (ended.status, again.status) == (0, 0), ended.err + again.err
    assert ended.json == {
        "workflow_id": "deactivate-expired",
        "web_ui_url": f"http://ui.example/namespaces/{temporal.namespace}/workflows/deactivate-expired",
        "found": 1,
        "projects": 1,
        "contents": 1,
        "opened": 1,
        "started": 1,
        "too_many": False,
    }
    assert again.out == "Deactivated 0 projects and 0 AR content items. Opened 0 notifications, started 0.\n"
    assert await deactivations.projects() == {"ship": "expired*"}


async def test_more_than_allowed_exits_1_and_says_how_to_allow_it(
    environment: dict[str, str],
    settings: Settings,
    platform: Platform,
    deactivations: Deactivations,
    run_worker: RunWorker,
) -> None:
    settings = settings.model_copy(update={"scan_max_notices": 1, "scan_page_size": 1, "notify_on_expired": False})
    environment |= {"SCAN_MAX_NOTICES": "1", "SCAN_PAGE_SIZE": "1"}
    company = await platform.company()
    for slug in ("ship", "mill"):
        await platform.project(company, slug=slug, expires_at=in_days(-1))
    async with run_worker(settings):
        refused = await cli("deactivate", "--wait", "--json", environment=environment)
        assert set((await deactivations.projects()).values()) == {"active"}
        allowed = await cli("deactivate", "--wait", "--allow-many", "--json", environment=environment)
    assert (refused.status, refused.json["found"], refused.json["too_many"]) == (1, 2, True)
    assert refused.err.endswith(
        "Nothing was deactivated: 2 items have ended, more than SCAN_MAX_NOTICES (1). "
        "List them with `deactivate --dry-run`, then run `deactivate --allow-many`.\n"
    )
    assert (allowed.status, allowed.json["projects"]) == (0, 2)
    assert set((await deactivations.projects()).values()) == {"expired*"}


@pytest.mark.usefixtures("ended")
async def test_a_dry_run_shows_what_would_go_and_what_would_be_held_and_changes_nothing(
    database: dict[str, str], platform: Platform, deactivations: Deactivations
) -> None:
    holding = database | {"DEACTIVATE_ONLY_AFTER_NOTICE": "true", "DEACTIVATE_HOLD_LIMIT": str(48 * 3600)}
    company = await platform.company(slug="silent")
    project = await platform.project(company, slug="old", expires_at=in_days(9))
    await platform.content(company, project, slug="stern", expires_at=in_days(-3))
    plain = await cli("deactivate", "--dry-run", "--json", environment=database)
    held = await cli("deactivate", "--dry-run", "--json", environment=holding)
    table = await cli("deactivate", "--dry-run", environment=holding)
    assert [(each["project"], each["ar_content"]) for each in plain.json["items"]] == [("old", "stern"), ("ship", None)]
    assert [each["held_until"] for each in plain.json["items"]] == [None, None]
    stern, ship = held.json["items"]
    assert stern["held_until"] is None
    ends_at = datetime.fromisoformat(ship["ends_at"])
    assert ends_at.utcoffset() in (timedelta(hours=12), timedelta(hours=13))
    assert datetime.fromisoformat(ship["held_until"]) - ends_at == timedelta(hours=48)
    assert re.search(
        r"museum +ship +\d{4}-\d\d-\d\d \d\d:\d\d UTC\+1[23]:00 +\d{4}-\d\d-\d\d \d\d:\d\d UTC\+1[23]:00", table.out
    )
    assert "1 would be deactivated at " in table.out
    assert "UTC, 1 postponed. Nothing was changed." in table.out
    assert set((await deactivations.projects()).values()) == {"active"}


@pytest.mark.usefixtures("ended")
async def test_renew_brings_it_back_and_says_so(
    database: dict[str, str], platform: Platform, deactivations: Deactivations
) -> None:
    await deactivations.page(datetime.now(UTC))
    renewed = await cli("renew", "ship", "--until", UNTIL, *BY, "--json", environment=database)
    again = await cli("renew", "ship", "--until", UNTIL, *BY, environment=database)
    longer = await cli("renew", "ship", "--until", "2999-07-01T00:00:00Z", environment=database)
    assert (renewed.status, again.status, longer.status) == (0, 0, 0), renewed.err + again.err + longer.err
    assert renewed.json.pop("previous_expires_at")
    assert renewed.json["expires_at"] == "2999-06-01T10:00:00+00:00"
    assert renewed.json["reactivated"] == {"project": True, "contents": 1}
    assert (renewed.json["status"], renewed.json["skipped_deliveries"]) == ("active", 2)
    assert again.out == "ship already ends at 2999-06-01 10:00:00 UTC. Nothing was changed.\n"
    assert longer.out == "ship now ends at 2999-07-01 00:00:00 UTC instead of 2999-06-01 10:00:00 UTC.\n"
    assert await deactivations.contents() == {"bow": "on"}
    notes = await platform.rows("SELECT operator, why FROM interventions ORDER BY id")
    assert (notes[0], notes[1]["why"]) == ({"operator": "anna", "why": "they paid"}, "renewed")


async def test_renew_says_what_comes_back_and_what_does_not(
    database: dict[str, str], platform: Platform, deactivations: Deactivations
) -> None:
    company = await platform.company()
    project = await platform.project(company, slug="ship", expires_at=in_days(-1))
    await platform.content(company, project)
    await deactivations.page(datetime.now(UTC))
    await platform.project(company, slug="mill", status="expired", expires_at=in_days(-1))
    ours = await cli("renew", "ship", "--until", UNTIL, environment=database)
    theirs = await cli("renew", "mill", "--until", UNTIL, environment=database)
    assert "Reactivated, with 1 AR content item. Skipped 2 deliveries about the old end." in ours.out
    assert "It stays expired, because this application did not deactivate it" in theirs.out


async def test_what_cannot_be_renewed_exits_1_with_one_line(database: dict[str, str], platform: Platform) -> None:
    company = await platform.company()
    await platform.project(company, slug="old", status="archived")
    await platform.project(company, slug="long", expires_at=datetime(2999, 12, 1, tzinfo=UTC))
    for slug, said in (
        ("old", "The project 'old' is archived. To renew it, import it as active."),
        (
            "long",
            "The project 'long' already ends later, at 2999-12-01 00:00:00 UTC. To set an earlier end, import it.",
        ),
    ):
        ended = await cli("renew", slug, "--until", UNTIL, environment=database)
        assert (ended.status, ended.out, ended.err) == (1, "", f"cli: {said}\n")


async def test_what_does_not_exist_cannot_be_renewed_and_an_id_is_as_good_as_a_slug(
    database: dict[str, str], platform: Platform
) -> None:
    company = await platform.company()
    project = await platform.project(company)
    content = await platform.content(company, project, expires_at=in_days(1))
    for arguments, kind in ((("nosuch",), "project"), (("--content", "nosuch"), "AR content")):
        ended = await cli("renew", *arguments, "--until", UNTIL, environment=database)
        assert (ended.status, ended.err) == (2, f"cli: there is no {kind} 'nosuch': give its slug or its id\n")
    renewed = await cli("renew", str(project), "--until", UNTIL, "--json", environment=database)
    assert renewed.json["slug"] == await platform.scalar("SELECT slug FROM projects"), renewed.err
    renewed = await cli("renew", "--content", str(content), "--until", UNTIL, "--json", environment=database)
    assert renewed.json["slug"] == await platform.scalar("SELECT slug FROM ar_contents"), renewed.err
