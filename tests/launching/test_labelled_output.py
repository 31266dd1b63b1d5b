import io
import sys

import pytest
from rich.console import Console

from lightsweep import cli
from lightsweep.launching.labelled_output import LabelledOutput, is_beside_others, labelled
from lightsweep.launching.work_order import NUM_SLOTS
from lightsweep.screen import draws


class Writes(io.StringIO):
    """Keeps each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return len(text)


def test_whole_lines_are_handed_on_at_once_each_behind_its_label() -> None:
    out = Writes()
    stream = LabelledOutput(out, "job 3: ")

    print("epoch", 1, file=stream)
    print("a\n\nb", file=stream, end="")
    stream.end()
    stream.end()

    assert out.all == ["job 3: epoch 1\n", "job 3: a\njob 3: \n", "job 3: b\n"]


def test_nobody_draws_a_bar_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert draws(Console(file=terminal))
    assert not draws(Console(file=LabelledOutput(terminal, "job 3: ")))


def test_what_is_printed_before_an_error_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        print("half a line", end="")
        print("warning: odd", file=sys.stderr)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), labelled("job 3: "):
        fails()

    assert capsys.readouterr() == ("job 3: half a line\n", "job 3: warning: odd\n")


@pytest.mark.parametrize(("slots", "beside"), [(None, False), ("1", False), ("2", True)])
def test_a_job_of_the_only_slot_has_the_place_to_itself(
    monkeypatch: pytest.MonkeyPatch, slots: str | None, beside: bool
) -> None:
    monkeypatch.delenv(NUM_SLOTS, raising=False)
    if slots is not None:
        monkeypatch.setenv(NUM_SLOTS, slots)

    assert is_beside_others() is beside


def test_the_lines_of_a_multiruns_runs_say_whose_they_are(command, data, monkeypatch) -> None:
    settings = ("model=softmax_regression", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "logger=none")
    monkeypatch.setenv(NUM_SLOTS, "2")  # as the local launcher tells its jobs

    several = command(cli.train, "-m", "seed=0,1", *settings, *data, "trainer.accelerator=cpu")
    alone = command(cli.train, *settings, *data, "trainer.accelerator=cpu")

    *printed, end = [line for line in several.out.splitlines() if "[HYDRA]" not in line]
    assert end.startswith("2 runs: 2 completed; ")
    assert {line[:7] for line in printed} == {"job 0: ", "job 1: "}
    assert [line.startswith("job 1: epoch 1/1 ") for line in printed].count(True) == 1
    assert "job" not in alone.out
