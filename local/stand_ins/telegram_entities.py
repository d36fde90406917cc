"""Checks Telegram's HTML like `parse_html` in tdlib: it refuses broken HTML.

html.parser cannot do this, because it reads a lone `<`, the usual mistake, as text.
"""

import html
import re

TAGS = frozenset("b strong i em u ins s strike del a code pre blockquote tg-spoiler span tg-emoji".split())
TAG = re.compile(r"<(?P<end>/?)(?P<name>[^\s>/<]*)(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*)(?P<close>>?)")
ATTRIBUTE = re.compile(r"""\s*(?P<name>[a-zA-Z0-9-]+)(?:\s*=\s*(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)'|(?P<c>[^\s"'=>]+)))?""")
ENTITY = re.compile(r"&(?:(?:lt|gt|amp|quot);?|#(?:\d+|x[0-9a-fA-F]+);?)")


class EntityError(ValueError):
    """The text is refused. The message is Telegram's description of the reason."""


def plain_text(text: str, parse_mode: str | None) -> str:
    """The text that counts against the limit: without tags, with decoded entities. Raises EntityError.

    `text` must not contain lone surrogates. Only parse mode HTML is interpreted; Markdown is returned unchanged.
    """
    if parse_mode is None or parse_mode.lower() in ("", "markdown", "markdownv2"):
        return text
    if parse_mode.lower() != "html":
        raise EntityError("unsupported parse_mode")
    parts: list[str] = []
    open_tags: list[str] = []
    end = 0
    for tag in TAG.finditer(text):
        parts.append(text[end : tag.start()])
        if tag["end"]:
            _close(tag, open_tags)
        else:
            _open(tag, open_tags)
        end = tag.end()
    if open_tags:
        raise _broken(f'Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    parts.append(text[end:])
    return ENTITY.sub(lambda entity: html.unescape(entity[0]), "".join(parts))


def _open(tag: re.Match[str], open_tags: list[str]) -> None:
    name = tag["name"].lower()
    if name not in TAGS:
        raise _broken(f'Unsupported start tag "{name}" {_offset(tag)}')
    if not tag["close"]:
        raise _broken(f'Unclosed start tag "{name}" {_offset(tag)}')
    attributes: dict[str, str] = {}
    position, given = 0, tag["attributes"].rstrip()
    while position < len(given):
        attribute = ATTRIBUTE.match(given, position)
        if attribute is None:
            raise _broken(f'Empty attribute name in the tag "{name}" {_offset(tag)}')
        attributes[attribute["name"].lower()] = attribute["a"] or attribute["b"] or attribute["c"] or ""
        position = attribute.end()
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise _broken(f'Tag "span" must have class "tg-spoiler" {_offset(tag)}')
    if name == "tg-emoji" and not attributes.get("emoji-id", "").isdecimal():
        raise _broken("Invalid custom emoji identifier specified")
    open_tags.append(name)


def _close(tag: re.Match[str], open_tags: list[str]) -> None:
    name = tag["name"].lower()
    if not open_tags:
        raise _broken(f"Unexpected end tag {_offset(tag)}")
    if not tag["close"] or tag["attributes"].strip():
        raise _broken(f"Unclosed end tag {_offset(tag)}")
    expected = open_tags.pop()
    if name != expected:
        raise _broken(f'Unmatched end tag {_offset(tag)}, expected "</{expected}>", found "</{name}>"')


def _broken(why: str) -> EntityError:
    return EntityError(f"can't parse entities: {why}")


def _offset(tag: re.Match[str]) -> str:
    return f"at byte offset {len(tag.string[: tag.start()].encode())}"
