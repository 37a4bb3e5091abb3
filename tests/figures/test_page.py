from __future__ import annotations

from html.parser import HTMLParser

from medcl import __version__
from medcl.figures.page import RESEARCH_USE, footer, notes, page

WICKED = '<script>alert("x")</script> & co'


class Checker(HTMLParser):
    """Collects tags and complains about elements that are closed wrongly."""

    VOID = ("meta", "br", "link", "img", "input", "hr", "circle", "polygon", "rect", "line")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_semantic() -> None:
    checker = Checker()
    checker.feed(page("Title", [notes("Read", ["one"]), footer({"Run": "a"})], kicker="k", subtitle="s"))
    assert checker.open == []
    assert {"html", "head", "title", "header", "h1", "section", "footer", "dl"} <= set(checker.tags)
    assert checker.tags.count("h1") == 1


def test_what_users_wrote_is_escaped_everywhere() -> None:
    made = page(WICKED, [notes(WICKED, [WICKED]), footer({WICKED: WICKED})], kicker=WICKED, subtitle=WICKED)
    assert "<script>alert" not in made
    assert made.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co") == 9


def test_policy_forbids_every_connection() -> None:
    made = page("t", [])
    policy = made.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "connect-src" not in policy


def test_footer_tells_version_and_research_use() -> None:
    made = footer({"Run": "variable-gfr"})
    assert f"medcl {__version__}" in made
    assert RESEARCH_USE in made
    assert "<dt>Run</dt><dd>variable-gfr</dd>" in made


def test_no_notes_no_block() -> None:
    assert notes("How to read", []) == ""
