"""The commands that stop and resume sending, and show what would be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import pausing, preview
from commands.cli.options import Json, OneChannel, Operator, Why
from commands.running import run
from contracts.keys import NotificationType, is_about_an_item
from contracts.sending import ALWAYS_DELIVERED

app = typer.Typer()


@app.command()
def pause(why: Why, by: Operator, as_json: Json = False) -> None:
    """Pause sending to companies, the scan and the deactivation. Tests and alerts are still sent."""
    run(pausing.pause(by, why, as_json=as_json))


@app.command()
def resume(by: Operator, as_json: Json = False) -> None:
    """Resume sending. Held notifications are sent; those past their deadline are dropped."""
    run(pausing.resume(by, as_json=as_json))


@app.command("preview")
def show_preview(
    notification_type: Annotated[NotificationType, typer.Option("--type")],
    locale: Annotated[str, typer.Option(metavar="LOCALE", help="A company's locale, such as ru or ru-RU.")] = "en",
    channel: Annotated[str, OneChannel] = ALWAYS_DELIVERED[0],
    item: Annotated[preview.Item, typer.Option(help="The item that ends or has ended.")] = preview.Item.PROJECT,
    part: Annotated[
        preview.Part | None, typer.Option(help="Show only this part, of a channel that has several.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Write each part to a file in this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a notification's text with sample data, as a company would get it. Sends nothing and needs no server."""
    if item is preview.Item.CONTENT and not is_about_an_item(notification_type):
        raise typer.BadParameter("--item content requires --type expiring or --type expired")
    run(preview.preview(notification_type, locale, channel, item, part, output, as_json=as_json))
