"""The report as one HTML file that loads nothing: styles and figures are inside, and there is no script."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from lightsweep.reporting.drawing import Drawing
from lightsweep.reporting.tables import Table

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --quiet: #59636e; --line: #d1d9e0;
  --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --quiet: #9198a1; --line: #3d444d; --soft: #151b23; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .4rem 0; max-width: 48rem; }
.note, figcaption { color: var(--quiet); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th[scope=row], th:first-child { text-align: left; font-weight: 600; }
.words { text-align: left; }
.long { white-space: normal; overflow-wrap: anywhere; min-width: min(14rem, 40vw); max-width: 28rem; }
thead th { color: var(--quiet); font-weight: 500; }
tbody tr:hover { background: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1rem;
  margin-top: 1rem; }
figure { margin: 0; min-width: 0; overflow-x: auto; padding-bottom: .8rem; }
figure svg { display: block; width: 100%; height: auto; min-width: 28rem; max-width: 36rem; }
figcaption { position: sticky; left: 0; overflow-wrap: anywhere; }
details { margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; }
nav a { margin-right: 1rem; white-space: nowrap; }
a { color: inherit; }
@media print {
  details > * { display: block; }
  details::details-content { content-visibility: visible; block-size: auto; }  /* closed ones too */
  .show { display: none; }
  .wide, figure { overflow-x: visible; }
  table { font-size: .65rem; }
  th, td { padding: .2rem .3rem; white-space: normal; }
  thead th, th[scope=row], .long { overflow-wrap: anywhere; }
  th[scope=row] { min-width: 6rem; }
  .long { min-width: 4rem; }
  tr, figure { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass
class Section:
    """A part of the report.

    Args:
        title: its heading.
        text: paragraphs.
        tables: by heading; an empty heading is none.
        figures: drawings.
        folded: shown when it is opened.
        inner: sections inside, without a link of their own.
    """

    title: str
    text: Sequence[str] = ()
    tables: dict[str, Table] = field(default_factory=dict)
    figures: Sequence[Drawing] = ()
    folded: bool = False
    inner: Sequence["Section"] = ()

    def every_figure(self) -> list[Drawing]:
        """All drawings, those of inner sections too."""
        return [*self.figures, *(drawing for section in self.inner for drawing in section.every_figure())]


def html_page(title: str, lines: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: its heading.
        lines: what stands below it.
        sections: the parts, with links to them at the top.
    """
    links = " ".join(f'<a href="#s{index}">{escape(part.title)}</a>' for index, part in enumerate(sections))
    body = "".join(
        f'<section id="s{index}"><h2>{escape(part.title)}</h2>{_content(part)}</section>'
        for index, part in enumerate(sections)
    )
    head = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{head}<nav>{links}</nav>{body}</main></body></html>\n"
    )


def markdown_page(title: str, lines: Sequence[str], sections: Sequence[Section], figures: str) -> str:
    """The same as Markdown, figures as links to their PNG files.

    Args:
        figures: the folder of the PNG files, as seen from the Markdown file.
    """
    parts = [f"# {title}", *lines]
    for section in sections:
        parts += _markdown(section, 2, figures)
    return "\n\n".join(parts) + "\n"


def _content(section: Section) -> str:
    parts = [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
    for heading, table in section.tables.items():
        parts.append(f"<h3>{escape(heading)}</h3>" if heading else "")
        parts.append(table.html())
    if section.figures:
        parts.append('<div class="figures">' + "".join(_figure(drawing) for drawing in section.figures) + "</div>")
    for part in section.inner:
        parts.append(f"<details><summary>{escape(part.title)}</summary>{_content(part)}</details>")
    text = "".join(parts)
    return f'<details><summary class="show">Show</summary>{text}</details>' if section.folded else text


def _figure(drawing: Drawing) -> str:
    label = escape(drawing.title, quote=True)
    caption = f"<figcaption>{escape(drawing.caption)}</figcaption>"
    return f'<figure role="img" aria-label="{label}">{drawing.svg}{caption}</figure>'


def _markdown(section: Section, level: int, figures: str) -> list[str]:
    parts = [f"{'#' * level} {section.title}", *section.text]
    for heading, table in section.tables.items():
        parts += [f"**{heading}**"] if heading else []
        parts.append(table.markdown())
    parts += [f"![{drawing.title}]({figures}/{drawing.name}.png)\n\n{drawing.caption}" for drawing in section.figures]
    for inner in section.inner:
        parts += _markdown(inner, level + 1, figures)
    return parts
