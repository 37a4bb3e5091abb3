"""The shell of every medcl page: one HTML file with its style inside, made of a few blocks that escape what
users wrote.

A page carries a content security policy that forbids every connection, so that a browser itself guarantees
that it works, and stays, offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from medcl import __version__

RESEARCH_USE = "Research use only; not a medical device."

# Scripts and styles stand in the page; plotly's WebGL part compiles its own shaders' wrappers (unsafe-eval).
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; worker-src blob:; form-action 'none'; base-uri 'none'"
)

STYLE = """
:root { --ink: #1b1f24; --soft: #555d66; --line: #d5d9de; --paper: #ffffff; --wash: #f6f7f8;
  --mark: #0b5cad; }
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1480px; padding: 26px 36px 30px;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial,
    sans-serif; }
header { border-bottom: 1px solid var(--line); padding-bottom: 12px; }
h1 { margin: 0; letter-spacing: -0.005em;
  font: 600 27px/1.2 Charter, "Bitstream Charter", "Sitka Text", Cambria, "Liberation Serif", serif; }
h2 { margin: 0 0 6px; font-size: 15px; font-weight: 650; }
.kicker { margin: 0 0 5px; color: var(--soft); font-size: 12px; letter-spacing: 0.06em;
  text-transform: uppercase; }
.subtitle { margin: 5px 0 0; color: var(--soft); max-width: 120ch; }
p { margin: 0 0 8px; max-width: 96ch; }
a { color: var(--mark); }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; border-radius: 3px; }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--soft); font-size: 13px; max-width: 80ch; }
.notes { margin: 16px 0 0; padding: 10px 16px 11px; border-left: 4px solid var(--ink);
  background: var(--wash); }
.notes ul { margin: 0; padding-left: 1.15em; }
.notes li { margin: 3px 0; max-width: 118ch; }
footer { margin-top: 20px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--soft);
  font-size: 13px; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 10px; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; color: var(--ink); overflow-wrap: anywhere; }
.research { font-weight: 600; color: var(--ink); }
@media (max-width: 700px) { body { padding: 16px; } dl.facts { grid-template-columns: 1fr; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h1 { font-size: 18pt; }
  .notes { border-left-width: 2px; background: none; }
  figure, .notes, footer { break-inside: avoid; }
  .screen-only { display: none !important; }
  @page { margin: 14mm; }
}
"""


def page(title: str, body: Sequence[str], *, kicker: str = "", subtitle: str = "", style: str = "") -> str:
    """A whole HTML page.

    Args:
        title: heading and window title, plain text.
        body: blocks of finished HTML, in order; a footer belongs to them.
        kicker: small line above the heading, plain text.
        subtitle: line under the heading, plain text.
        style: CSS of this kind of page, after the common one.
    """
    head = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light">',
            f'<meta name="generator" content="medcl {__version__}">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}{style}</style>",
            "</head>",
            "<body>",
            "<header>",
        ]
    )
    above = f'<p class="kicker">{escape(kicker)}</p>\n' if kicker else ""
    below = f'\n<p class="subtitle">{escape(subtitle)}</p>' if subtitle else ""
    blocks = "\n".join(body)
    return f"{head}\n{above}<h1>{escape(title)}</h1>{below}\n</header>\n{blocks}\n</body>\n</html>\n"


def notes(title: str, sentences: Sequence[str]) -> str:
    """A marked list of sentences that a reader must not miss; nothing when there are none."""
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    title = escape(title)
    return f'<section class="notes" aria-label="{title}"><h2>{title}</h2><ul>{items}</ul></section>'


def fact_list(facts: Mapping[str, str], style: str = "facts") -> str:
    """A list of names and values; `style` is its class in the style sheet."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<dl class="{style}">{rows}</dl>'


def footer(facts: Mapping[str, str]) -> str:
    """The page's footer: how it was made as a list of facts, medcl's version, and that it is for research
    only."""
    return (
        f"<footer>{fact_list({**facts, 'Made by': f'medcl {__version__}'})}"
        f'<p class="research">{RESEARCH_USE}</p></footer>'
    )
