"""The tests of the pages fail when a page is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.docs.kinds import is_run, objections
from tests.docs.names import is_known_setting, wrong_names
from tests.docs.pages import Block, PageError, anchors_of, blocks_of, code_spans, links_of
from tests.docs.terminal import BlockError, Terminal

NO_TEMPORAL = Path("/bin/false")


def page(folder: Path, text: str) -> Path:
    file = folder / "page.md"
    file.write_text(dedent(text), encoding="utf-8")
    return file


def block(folder: Path, text: str) -> Block:
    [only] = blocks_of(page(folder, text))
    return only


@pytest.fixture(scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("terminal"), {}, NO_TEMPORAL)
    await terminal.start()
    yield terminal
    await terminal.leave()


async def run(terminal: Terminal, folder: Path, text: str, **facts: str) -> None:
    for each in blocks_of(page(folder, text)):
        await terminal.run(each, facts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```sh\nfalse\necho well\n```", r"page\.md:1: ended with status 1"),
        ("```sh\npython cli.py bogus\n```", r"page\.md:1: ended with status 2"),
        ("```sh\npython cli.py preview --type expiring --locale xx | false\n```", "ended with status 1"),
        ("```sh\npython no_such_file.py\n```", "ended with status 2"),
        ("```sh\ncurl localhost:1/healthz --bogus\n```", "ended with status 2"),
        ("<!-- run: exit 2 -->\n```sh\ntrue\n```", r"page\.md:2: ended with status 0"),
        ("```console\n$ echo one two\none three\n```", "this was written"),
        ("```console\n$ echo one two\n```", "this was written"),
        ("```console\none\n```", "begins with `\\$ ` and a command"),
        ("```sh\necho one\n```\n<!-- output -->\n```text\ntwo\n```", r"page\.md:5: the page shows"),
        ("<!-- run: with ID=$NOBODY -->\n```sh\necho ID\n```", r"\$NOBODY is none of SOMEBODY"),
        ("<!-- run: with ID=7 -->\n```sh\necho IDS\n```", "names ID, which is not in it"),
        ('<!-- run: stays until "ready" -->\n```sh\necho steady\n```', "never wrote 'ready'"),
    ],
)
async def test_a_wrong_block_fails(text: str, said: str, terminal: Terminal, tmp_path: Path) -> None:
    with pytest.raises(BlockError, match=said):
        await run(terminal, tmp_path, text, SOMEBODY="7")


async def test_right_blocks_pass_one_after_the_other(terminal: Terminal, tmp_path: Path) -> None:
    text = """
        ```sh
        export NAME=anna
        cd docs && touch here
        ```

        <!-- run: with ID=$SOMEBODY -->
        ```console
        $ ls here && echo "$NAME  of ID"
        here
        anna of 7
        $ python cli.py --help
        Usage: cli.py ...
        ...
        Commands:
        ...
        ```

        <!-- run: exit 3 -->
        ```sh
        echo first
        (exit 3)
        ```

        <!-- output -->
        ```text
        f...t
        ```
        """
    await run(terminal, tmp_path, text, SOMEBODY="7")


async def test_what_is_written_stays_in_the_copy(terminal: Terminal, tmp_path: Path) -> None:
    await run(terminal, tmp_path, '```sh\ncd "$OLDPWD" 2>/dev/null || true\necho x > README.md\n```')
    assert Path("README.md").read_text(encoding="utf-8").startswith("# Expiry notifier")


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nsystemctl restart all\n```",
        "```sh\necho x > /etc/passwd\n```",
        "<!-- run: with ID=7 -->\n```sh\nsudo ID\n```",
        "```klingon\nx\n```",
        "```json\n{\n```",
        "```python\ndef\n```",
        "<!-- not run: needs containers -->\n```sh\necho well\n```",
        "<!-- not run: needs root -->\n```json\n{}\n```",
        "<!-- not run: is tested by tests/docs/test_mechanism.py::test_bogus -->\n```sh\ntrue\n```",
        "<!-- not run: is tested by tests/bogus.py::test_bogus -->\n```sh\ntrue\n```",
        "<!-- output -->\n```sh\ntrue\n```",
    ],
)
def test_a_wrong_mark_is_named(text: str, tmp_path: Path) -> None:
    assert objections(block(tmp_path, text))


@pytest.mark.parametrize("comment", ["not run: no time", "not run:", "run: quickly", "run: with ID", "run: exit well"])
def test_a_comment_that_is_no_mark_is_refused(comment: str, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"page\.md:2: "):
        blocks_of(page(tmp_path, f"<!-- {comment} -->\n```sh\ntrue\n```"))


def test_a_block_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"page\.md:1: the block has no end"):
        blocks_of(page(tmp_path, "```sh\ntrue\n"))


def test_a_block_is_run_unless_it_says_why_not(tmp_path: Path) -> None:
    assert is_run(block(tmp_path, "```\ntrue\n```"))
    assert is_run(block(tmp_path, "<!-- a remark -->\n```sql\nSELECT 1\n```"))
    assert not is_run(block(tmp_path, "<!-- not run: needs containers;\n a remark -->\n```sh\ndocker ps\n```"))
    assert not is_run(block(tmp_path, "- In a list:\n\n  ```text\n  -->\n  ```"))


@pytest.mark.parametrize(
    "text",
    [
        "cli.py bogus",
        "python cli.py scan --bogus",
        "python cli.py schedules bogus",
        "python cli.py problems 17",
        'DIR=x .venv/bin/python cli.py pause --why "a (b)" --bogus',
        "make bogus",
        "docker compose exec bogus true",
        "docker compose --profile bogus up",
        "docker compose up --detach --scale bogus=3",
        "docker compose run --rm --volume a:b migrate python cli.py bogus",
        "docker compose run --rm \\\n    --user 1 bogus",
        "docker compose bogus",
        "docker compose --file bogus.yml up",
        "docker volume rm expiry-notifier_bogus",
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str) -> None:
    assert wrong_names(text)


@pytest.mark.parametrize(
    "text",
    [
        "python cli.py scan --wait && python cli.py deliveries --status unknown  # all",
        "python cli.py resolve 17 --accepted --why 'a b'",
        "docker compose logs migrate worker",
        "docker compose exec -T postgresql psql -U postgres expiry -c 'SELECT 1' | cat",
        "make demo DATA=folder",
        "it makes sense to make",
    ],
)
def test_a_name_that_exists_is_none_of_them(text: str) -> None:
    assert wrong_names(text) == []


def test_settings_links_and_anchors_are_found(tmp_path: Path) -> None:
    text = """
        # One `two`: three

        ## A
        ## A

        See [a
        b](x.md#y), [c](z.md), `SMTP_HOST`, `a
        b` and `a [b](c)`.
        """
    file = page(tmp_path, text)
    assert anchors_of(file) == {"one-two-three", "a", "a-1"}
    assert [span for _, span in code_spans(file)][:3] == ["two", "SMTP_HOST", "a b"]
    assert [link for _, link in links_of(file)] == ["x.md#y", "z.md"]
    assert is_known_setting("SMTP_HOST")
    assert not is_known_setting("SMTP_BOGUS")
