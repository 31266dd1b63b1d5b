"""A table that can be written as HTML or as Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LONGEST_LINE = 24
"""Characters of a cell that the page shows in one line, however narrow it is."""

_NUMBER = re.compile(r"[(<~+−-]*\s*\d|–?$")


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column names the row.

    Args:
        head: the columns' names.
        rows: each as long as the head.
        note: how to read it; may be empty.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def html(self) -> str:
        """As an element that scrolls sideways where the page is narrow."""
        kinds = [self._kind(column) for column in range(len(self.head))]
        head = "".join(
            f'<th scope="col"{kind}>{escape(cell)}</th>' for kind, cell in zip(kinds, self.head, strict=True)
        )
        rows = "".join(
            f'<tr><th scope="row"{kinds[0]}>{escape(row[0])}</th>'
            + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds[1:], row[1:], strict=True))
            + "</tr>"
            for row in self.rows
        )
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'

    def markdown(self) -> str:
        """As a Markdown table; the note stands below it."""
        marks = ["---" if self._is_words(column) else "---:" for column in range(1, len(self.head))]
        lines = [self.head, ["---", *marks], *self.rows]
        text = "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
        return f"{text}\n\n{self.note}" if self.note else text

    def _is_words(self, column: int) -> bool:
        """Whether any cell holds something other than a number."""
        return not all(_NUMBER.match(row[column]) for row in self.rows)

    def _kind(self, column: int) -> str:
        """The column's class for the page: words stand to the left, long ones in several lines where need be."""
        long = max(len(line[column]) for line in (self.head, *self.rows)) > LONGEST_LINE
        names = [name for name, true in (("words", self._is_words(column)), ("long", long)) if true]
        return f' class="{" ".join(names)}"' if names else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
