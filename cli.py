"""The operator's commands."""

from __future__ import annotations

import traceback
from typing import Annotated, NoReturn

import typer
from typer._completion_classes import completion_init

from commands.cli import deploying, items, keeping, mending, record, sending, setting_up, watching
from commands.running import FAILED, OK
from runtime import leaving
from runtime.version import release

app = typer.Typer(
    help=__doc__,
    epilog="Exit status: 0 success, 1 the job failed, 2 a wrong setting or argument. "
    "Settings are read from the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (setting_up, deploying, items, record, mending, sending, keeping, watching):
    app.add_typer(group.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"expiry-notifier {release()}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and the commit."),
    ] = False,
) -> None:
    """The operator's commands."""


def main() -> NoReturn:
    """Runs the command from the command line and exits with its status."""
    status = FAILED
    completion_init()  # Typer's own options for that would install a script that cannot complete `python cli.py`
    try:
        app(prog_name="cli.py", complete_var="_CLI_PY_COMPLETE")
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else OK if left.code is None else FAILED
    except BaseException:  # noqa: BLE001 - printed here: the process leaves without the interpreter
        traceback.print_exc()
    leaving.leave(status)


if __name__ == "__main__":
    main()
