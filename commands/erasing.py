"""`erase`: removes what names a company and its people from every table, after all that is under way has ended."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, WrongArgument, complain, database, temporal_client, temporal_errors
from contracts.sending import DeliveryStatus, Reason, SendResult
from db.people import companies, elsewhere, erase, stop
from db.people.companies import Company, Personal
from db.people.names import Names, all_names, specific_names
from db.record import settle
from settings import Settings
from temporal.ending import end_workflows

PAGE = 200
"""Notifications that one transaction empties."""
ROUNDS = 3
"""How often it looks for what a scan has opened meanwhile."""
_CANCELLED = SendResult(DeliveryStatus.FAILED, Reason.CANCELLED)


@dataclass
class Erased:
    """What was erased."""

    company_id: int
    ended: int = 0
    """Notifications that were under way."""
    notifications: int = 0
    others: int = 0
    """Tests and alerts that named the company."""
    suppressions: int = 0
    unsubscribed: int = 0
    """Those of the suppressions that the recipients had asked for."""


async def erase_company(named: str, operator: str, why: str, *, yes: bool, as_json: bool) -> int:
    """Asks, unless `yes`. May run twice: what an interrupted run left is erased by the next.

    Nothing is changed if Temporal is away.
    """
    settings = Settings.load()
    async with database(settings) as engine:
        async with engine.connect() as connection:
            company = await companies.find_company(connection, named)
            if company is None:
                raise WrongArgument(f"there is no company {named!r}: give its slug or its id")
            personal = await companies.find_personal(connection, company.company_id)
        if all_names(personal)(why):
            raise CommandFailed("--why is kept: do not name the company or its people in it")
        await _say_what_else_changes(engine, company.company_id, personal)
        if not yes:
            _ask(company)
        client = await temporal_client()
        erased = await _erase(engine, client, company, personal, operator, why)
    _print(erased, company, as_json=as_json)
    return OK


async def _say_what_else_changes(engine: AsyncEngine, company_id: int, personal: Personal) -> None:
    """Says which rows that are not the company's own would change, and because of which words."""
    names = specific_names(personal)
    alerts, after, count = 0, 0, PAGE
    async with engine.connect() as connection:
        while count == PAGE:
            count, named, after = await elsewhere.count_of_nobody(connection, personal, names, after, PAGE)
            alerts += named
        texts = await elsewhere.find_free_texts(connection, company_id, personal, names)
    complain(
        f"Rows that are not the company's own, but name it: {alerts} alerts and tests, {len(texts.interventions)} "
        f"interventions, {len(texts.pauses)} pauses, {len(texts.problems)} problems. Their text is erased if it has "
        f"one of these words: {_listed(names)}."
    )


def _listed(names: Names) -> str:
    return ", ".join(map(repr, names.words)) or "(none)"


def _ask(company: Company) -> None:
    question = (
        f"Erase company {company.company_id} ({company.slug}, {company.name}) with {company.projects} projects and "
        f"{company.notifications} notifications? This cannot be undone."
    )
    try:
        sure = typer.confirm(question, err=True)
    except typer.Abort:
        raise CommandFailed("nothing was erased: answer y, or give --yes") from None
    if not sure:
        raise CommandFailed("nothing was erased")


async def _erase(
    engine: AsyncEngine, client: Client, company: Company, personal: Personal, operator: str, why: str
) -> Erased:
    company_id = company.company_id
    erased = Erased(company_id)
    async with engine.begin() as connection:
        await stop.close_company(connection, company_id, operator, why)
    for _ in range(ROUNDS):
        async with engine.begin() as connection:
            under_way = await stop.cancel_pending(connection, company_id, personal)
        if not under_way:
            break
        async with temporal_errors():
            await end_workflows(client, (each.workflow_id for each in under_way), "its company is erased")
        for each in under_way:
            async with engine.begin() as connection:
                await settle.record(connection, each.notification_id, [], others=_CANCELLED)
        erased.ended += len(under_way)
    await _erase_notifications(engine, company_id, personal, erased)
    async with engine.begin() as connection:
        names = specific_names(personal)
        texts = await elsewhere.find_free_texts(connection, company_id, personal, names)
        await elsewhere.erase_free_texts(connection, texts, names)
        reasons = await erase.erase_names(connection, company_id, personal)
    erased.suppressions, erased.unsubscribed = len(reasons), reasons.count(Reason.UNSUBSCRIBED)
    return erased


async def _erase_notifications(engine: AsyncEngine, company_id: int, personal: Personal, erased: Erased) -> None:
    after, count = 0, PAGE
    while count == PAGE:
        async with engine.begin() as connection:
            count, after = await erase.erase_page(connection, company_id, after, PAGE)
        erased.notifications += count
    names, after, count = specific_names(personal), 0, PAGE
    while count == PAGE:
        async with engine.begin() as connection:
            count, emptied, after = await elsewhere.erase_of_nobody(connection, personal, names, after, PAGE)
        erased.others += emptied
    async with engine.connect() as connection:
        taken_along = await erase.find_taken_along(connection, company_id)
    for delivery_ids in taken_along:
        async with engine.begin() as connection:
            await erase.erase_taken_along(connection, delivery_ids)


def _print(erased: Erased, company: Company, *, as_json: bool) -> None:
    if as_json:
        print_json(vars(erased))
        return
    print_line(
        f"Erased company {erased.company_id}. {erased.ended} notifications under way were ended; "
        f"{erased.notifications} notifications, and {erased.others} tests and alerts, lost their texts and recipients."
    )
    print_line(
        f"{erased.suppressions} suppressed addresses are forgotten; {erased.unsubscribed} of them had unsubscribed."
    )
    complain(
        f"If the next import still has {company.slug!r}, the company comes back as a new one, and is told again of "
        "what is due: remove it from the platform and from the CSV files first. Backups keep what they have, and "
        "Temporal keeps slugs until its retention has passed: see docs/operations.md."
    )
