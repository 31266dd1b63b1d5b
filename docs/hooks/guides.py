"""Lists the pages that tell how to do something, each with its first sentence, in place of `<!-- guides -->`."""

import re
from typing import Any

from mkdocs.structure.files import Files

_MARK = "<!-- guides -->"
_ELSEWHERE = {"index.md", "quickstart.md", "concepts.md", "article.md", "how-to.md"}


def on_page_markdown(markdown: str, files: Files, **_: Any) -> str:
    """Put the table in the mark's place."""
    if _MARK not in markdown:
        return markdown
    rows = ["| page | |", "|---|---|"]
    for file in sorted(files.documentation_pages(), key=lambda file: file.src_uri):
        if "/" not in file.src_uri and file.src_uri not in _ELSEWHERE:
            title, sentence = _opening(file.content_string)
            rows.append(f"| [{title}]({file.src_uri}) | {sentence} |")
    return markdown.replace(_MARK, "\n".join(rows))


def _opening(text: str) -> tuple[str, str]:
    """A page's title and the first sentence below it, if a paragraph comes first."""
    title, _, rest = text.strip().partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    sentence = re.match(r"[A-Z`].*?[.:](?= |$)", paragraph)
    return title.removeprefix("# "), sentence[0].rstrip(":") if sentence else ""
