"""Reads and compiles the templates of a language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateNotFound, select_autoescape

from texts.languages import Language, LanguageError

TEMPLATES = Path(__file__).parent / "templates"
DEFAULT_LOCALE = "en"


def environment(language: Language, folders: Sequence[Path], needed: Iterable[str]) -> Environment:
    """Reads and compiles the templates of one language. They refer to one another without its tag.

    All of them are read now: while this process runs, an upgrade may replace or delete the files. Raises
    `LanguageError` if one of those `needed` is missing.
    """
    sources = _sources(language, folders)
    compiled = Environment(
        loader=DictLoader(sources),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    compiled.globals |= {
        "plural": language.plural,
        "number": language.number,
        "lang": language.tag,
        "direction": language.direction,
    }
    try:
        for name in needed:
            compiled.get_template(name)
    except TemplateNotFound as missing:
        raise LanguageError(f"templates/{language.tag}/{missing.name} is missing") from None
    for name in sources:
        compiled.get_template(name)
    return compiled


def _sources(language: Language, folders: Sequence[Path]) -> dict[str, str]:
    """Returns the templates of the language and those that all languages share, by name. The language's own win, and
    those of the first folder."""
    shared = [(folder, file) for folder in folders for file in folder.glob("*")]
    own = [(folder / language.tag, file) for folder in folders for file in (folder / language.tag).rglob("*")]
    return {
        file.relative_to(folder).as_posix(): _read(file)
        for folder, file in reversed([*own, *shared])
        if file.suffix in (".html", ".txt")
    }


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise LanguageError(f"templates/{file.parent.name}/{file.name} is not UTF-8: save it as UTF-8") from None
