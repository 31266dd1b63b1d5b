"""What a job prints beside others: each line begins with its name, since the others print into the same place."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from typing import TextIO

from lightsweep.launching.work_order import NUM_SLOTS


def is_beside_others() -> bool:
    """Whether this process is a job of the local launcher, and others may run at the same time."""
    return int(os.environ.get(NUM_SLOTS, "1")) > 1


class LabelledOutput(TextIOBase):
    """A stream that hands on whole lines, each behind a label; no terminal, so that nobody draws a bar into it.

    Args:
        stream: where the lines go, one write each call, so that those of two processes do not mix.
        label: what each begins with.
    """

    def __init__(self, stream: TextIO, label: str) -> None:
        super().__init__()
        self._stream, self._label, self._rest = stream, label, ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return self._stream.encoding

    def fileno(self) -> int:
        """The stream's, for programs that are started with it."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Hand on the lines that are whole now, and keep what is left."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._stream.write("".join(f"{self._label}{line}\n" for line in lines))
            self._stream.flush()
        return len(text)

    def end(self) -> None:
        """Hand on a last line without an end."""
        if self._rest:
            self.write("\n")


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Begin each line of stdout and stderr with a label."""
    out, err = LabelledOutput(sys.stdout, label), LabelledOutput(sys.stderr, label)
    with redirect_stdout(out), redirect_stderr(err):
        try:
            yield
        finally:
            out.end()
            err.end()
