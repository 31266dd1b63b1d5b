"""Lists the pages that tell how to do something, each with its first sentence, in place of `<!-- guides -->`."""

import re
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from mkdocs.structure.files import File
from mkdocs.structure.nav import Navigation

_MARK = "<!-- guides -->"
_ELSEWHERE = {"index.md", "quickstart.md", "concepts.md", "article.md", "how-to.md"}
_guides: list[File] = []


def on_nav(nav: Navigation, **_: Any) -> None:
    """Note the pages, in the order in which the site has them."""
    _guides[:] = [page.file for page in nav.pages if "/" not in page.file.src_uri]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table in the mark's place."""
    if _MARK not in markdown:
        return markdown
    rows = ["| page | |", "|---|---|"]
    for file in _guides:
        if file.src_uri not in _ELSEWHERE:
            title, sentence = _opening(file.content_string)
            rows.append(f"| [{title}]({file.src_uri}) | {sentence} |")
    return markdown.replace(_MARK, "\n".join(rows))


def _opening(text: str) -> tuple[str, str]:
    """A page's title, and the first sentence of its first paragraph."""
    tokens = MarkdownIt().parse(text)
    found = {"h1": "", "p": ""}
    for token, content in pairwise(tokens):
        if token.type in ("heading_open", "paragraph_open") and token.level == 0:
            found[token.tag] = found.get(token.tag) or content.content
    sentence = re.match(r".*?[.:](?=\s|$)", found["p"].replace("\n", " "))
    words = sentence[0].rstrip(":") if sentence else ""
    return found["h1"], words[:1].upper() + words[1:]
