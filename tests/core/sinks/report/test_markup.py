"""Elements and text, parsed by the standard library."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gvseg_core.files import printable
from gvseg_core.sinks.report.markup import Html, tag, text


class Seen(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_text_is_shown_as_it_is_and_is_never_an_element(content: str) -> None:
    seen = Seen(tag("p", content, title=content))
    assert seen.text == printable(content)
    assert seen.elements == [("p", {"title": printable(content)})]


@pytest.mark.parametrize("content", ["<script>", "</p><b>", '" onload="x', "&amp;", "a\u202eb", "\x1b[31m", "\udcff"])
def test_hostile_text_is_harmless(content: str) -> None:
    assert "<b>" not in tag("p", content)
    assert "\u202e" not in tag("p", content)
    assert [name for name, _ in Seen(tag("p", content, title=content)).elements] == ["p"]
    tag("p", content, title=content).encode()


def test_markup_stands_as_it_is_one_piece_or_several() -> None:
    assert tag("p", tag("b", "x"), "<", [tag("i", "y"), text("&")]) == "<p><b>x</b>&lt;<i>y</i>&amp;</p>"


def test_attributes_have_hyphens_and_may_be_absent() -> None:
    assert tag("p", class_="a", aria_hidden="true", title=None) == '<p class="a" aria-hidden="true"></p>'
    assert tag("meta", name="viewport") == '<meta name="viewport"/>'
    assert tag("img", src=Html("data:&")) == '<img src="data:&"/>'
