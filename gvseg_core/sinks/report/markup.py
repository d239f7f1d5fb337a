"""HTML from Python: text is escaped, markup has a type of its own, so that neither is taken for the other."""

from __future__ import annotations

import html
from collections.abc import Iterable

from gvseg_core.files import printable


class Html(str):
    """Markup that is complete and safe to stand in a page."""

    __slots__ = ()


Content = str | Html | Iterable["Html"]

_VOID = frozenset({"img", "meta", "rect", "line"})
"""Elements that hold nothing; those of SVG say so by their slash."""


def text(content: object) -> Html:
    """Text on one line; what HTML would act on, and control and bidirectional characters, are shown instead."""
    return Html(html.escape(printable(content)))


def tag(name: str, /, *content: Content, **attributes: object) -> Html:
    """An element.

    Args:
        name: of the element.
        content: text, which is escaped; markup, which is not; or several pieces of markup.
        attributes: `class_` is class, `aria_hidden` is aria-hidden; those that are None are left out. Values are
            escaped unless they are markup.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{value if isinstance(value, Html) else text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{''.join(map(_markup, content))}</{name}>")


def _markup(content: Content) -> str:
    if isinstance(content, Html):
        return content
    return text(content) if isinstance(content, str) else "".join(content)
