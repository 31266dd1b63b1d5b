"""`python train.py info=optimizers`: what can be chosen and set, without torch."""

import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lightsweep.cli.ending import ended_by
from lightsweep.config.catalogue import TOPICS, Key, Member, members, run_keys
from lightsweep.config.check import WHOLE
from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError


def info() -> None:
    """`[topic]`: what can be chosen and set, such as `optimizers` or `optimizer/adam`; without one, the topics."""
    ended_by(lambda: print_info("/".join(word.removeprefix("info=") for word in sys.argv[1:])), info)


def print_info(topic: str) -> None:
    """Print a topic: `optimizers`, one of them as `optimizer/adam`, or `run`; an empty one lists the topics.

    Raises:
        ConfigError: a topic or a member that is not known.
    """
    console = Console(highlight=False, markup=False, width=None if os.isatty(1) else 160)
    if not topic:
        console.print("info=<topic> or info=<group>/<choice>; topics: " + ", ".join([*TOPICS, "run"]))
        return
    if topic == "run":
        console.print(_table(run_keys()))
        return
    group, name = _place(topic)
    found = members(group)
    if name:
        names = [member.name for member in found]
        if name not in names:
            raise ConfigError(f"`{group}` must be one of {', '.join(names)} but got {name!r}{nearest(name, names)}")
        found = [member for member in found if member.name == name]
    column = "value" if group in WHOLE else "default"
    for member in found:
        _print_member(console, member, column)
    if any(key.added for member in found for key in member.keys):
        console.print("keys with a + stand in no YAML: give them with the +, or write them into a YAML of your own")


def _place(topic: str) -> tuple[str, str]:
    """A topic's Hydra group and member."""
    groups = {word: group for group in TOPICS.values() for word in (group, group.rpartition("/")[2])} | TOPICS
    if topic in groups:
        return groups[topic], ""
    group, _, name = topic.rpartition("/")
    if group in groups:
        return groups[group], name
    raise ConfigError(f"`info` knows no {topic!r}{nearest(topic, groups)}; it knows: {', '.join([*TOPICS, 'run'])}")


def _print_member(console: Console, member: Member, column: str) -> None:
    about = "   ".join(word for word in (member.target, member.summary) if word)
    console.print(Text(member.name, "bold") + (f"   {about}" if about else ""), soft_wrap=True)
    if member.keys:
        console.print(Padding(_table(member.keys, column), (0, 0, 1, 2), expand=False))


def _table(keys: Sequence[Key], column: str = "default") -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("key", column, "type", "meaning"):
        table.add_column(name, overflow="fold", no_wrap=name == "key")
    for key in keys:
        table.add_row(f"{'+' if key.added else ''}{key.name}", key.default, key.type, key.meaning)
    return table
