"""The shell lines of a Markdown page, each with what the page shows below it, and the files that the page shows."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

SHELLS = {"sh", "bash", "shell", "console"}
PROGRAMS = re.compile(
    r"([A-Z_]+=\S+ )*(python|uv|pip|source|lightsweep|tensorboard|optuna-dashboard|ray|sbatch|srun|s?bin/|"
    r"(scripts|tests)/[\w/]+)( |$)"
)
"""How a line begins that is a command, in a block that does not say what it is."""


@dataclass(frozen=True)
class ShellLine:
    """One command of a page.

    Attributes:
        text: without prompt, comment and continuation.
        shown: what the page shows below it, if the block shows a session.
    """

    text: str
    shown: str

    @property
    def words(self) -> list[str]:
        """The command's words, without what it runs under: `uv run`, `uv run --group docs`, variables."""
        words = shlex.split(self.text, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words[:2] == ["uv", "run"]:
            words = words[4:] if words[2:3] == ["--group"] else words[2:]
        return words


def shell_lines(page: Path) -> list[ShellLine]:
    """All commands of a page, in their order; those that `&&` joins are several."""
    found = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        language = token.info.split()[0] if token.info.split() else ""
        if token.type == "code_block" or (token.type == "fence" and (not language or language in SHELLS)):
            for text, shown in _commands(token.content.replace("\\\n", " "), language in SHELLS):
                found += [ShellLine(part, shown) for part in re.split(r" && (?=\w)", text)]
    return found


def files(page: Path) -> dict[str, str]:
    """The files that a page shows: blocks that begin with a path as a comment, such as `# conf/model/mine.yaml`."""
    found = {}
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        name = re.match(r"# ([\w./-]+\.(yaml|py|csv))\n", token.content)
        if token.type in ("code_block", "fence") and name:
            found[name[1]] = token.content
    return found


def _commands(content: str, shell: bool) -> Iterator[tuple[str, str]]:
    lines = content.splitlines()
    if any(line.startswith("$ ") for line in lines):  # a session: what has no prompt is output
        for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
            text, _, shown = part.partition("\n")
            yield _bare(text), shown
        return
    for line in lines:
        if _bare(line) and (shell or PROGRAMS.match(line)):
            yield _bare(line), ""


def _bare(line: str) -> str:
    """A line without its comment; quotes stay as they are written."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars="")
    lexer.whitespace_split, lexer.commenters = True, "#"
    return " ".join(lexer)
