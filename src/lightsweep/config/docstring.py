"""What a docstring says, as plain text: its first line, and a sentence on each argument."""

import re
from collections.abc import Iterator
from itertools import takewhile

_ENTRY = re.compile(r"^(\s*)(\w+(?:, \w+)*)\s*(?:\([^)]*\))?\s*:(?:\s+(\S.*))?$")
_ROLE = re.compile(r":([\w:]+):`([^`]*)`")
_QUOTED = re.compile(r"`+([^`]+?)(?:\s*<[^`<>]*>)?`+(?:__?(?!\w))?")
_SENTENCE = re.compile(r"(?<!\be\.g)(?<!\bi\.e)\.(?=\s+[^\Wa-z]|\s+['\"({]|\s*$)")
_DEFAULT = re.compile(r"\s*\([Dd]efaults?:[^()]*(?:\([^()]*\)[^()]*)*\)")


def plain(text: str) -> str:
    """Text without the inline markup of reStructuredText: a link's text, a role's name, no backquotes."""
    return _QUOTED.sub(r"\1", _ROLE.sub(_named, text))


def summary(text: str) -> str:
    """The first line that is not empty; an empty text if there is none."""
    return plain(next((line.strip() for line in text.splitlines() if line.strip()), ""))


def entries(text: str) -> Iterator[tuple[list[str], str]]:
    """The `name: meaning` entries, on one line or with the meaning below the name, each with its first sentence."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        match = _ENTRY.match(line)
        if match is None:
            continue
        below = _below(lines[index + 1 :], len(match[1]))
        said = "\n".join([match[3] or "", *below]).strip()
        yield match[2].split(", "), _first_sentence(said)


def _named(role: re.Match[str]) -> str:
    """What a role such as ``:class:`~optuna.trial.Trial` `` shows."""
    shown = role[2].partition("<")[0].strip() or role[2]
    if role[1] == "math":
        return shown.replace("\\", "")
    return shown.rpartition(".")[2] if shown.startswith("~") else shown


def _below(lines: list[str], indent: int) -> Iterator[str]:
    """The lines up to the first that stands no further right than an indent."""
    return (line.strip() for line in takewhile(lambda line: not line[: indent + 1].strip(), lines))


def _first_sentence(text: str) -> str:
    """The first sentence of a text; where it announces a list, that of each item too."""
    first, _, rest = plain(text).partition("\n\n")
    sentence = _cut(first)
    if sentence.endswith(":"):
        items = rest.partition("\n\n")[0].removeprefix("- ").split("\n- ")
        sentence += " " + "; ".join(_cut(item) for item in items)
    return sentence.strip()


def _cut(text: str) -> str:
    return _DEFAULT.sub("", _SENTENCE.split(" ".join(text.split()))[0]).strip()
