"""The console script: which command a first word means."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import hydra
import pytest

import lightsweep
from lightsweep.calling import called
from lightsweep.cli.console import COMMANDS, main
from lightsweep.cli.ending import _print_usage
from lightsweep.cli.trained_run import KEYS
from lightsweep.training.run import resume_command

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lightsweep_(monkeypatch, capsys, tmp_path):
    """Runs the console script in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["lightsweep", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_called(name):
    from importlib import import_module

    assert callable(getattr(import_module(f"lightsweep.cli.{COMMANDS[name][0]}"), name))


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_command(lightsweep_, words):
    code, out, _ = lightsweep_(*words)

    assert code == 0
    assert all(f"lightsweep {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_each_command_tells_how_it_is_called(lightsweep_, name):
    code, out, err = lightsweep_(name, "--help")

    assert (code, err) == (0, "")
    assert re.match(rf"usage: lightsweep {name} \S+.*: \w", out), out
    if "run=" in out:
        assert all(f"{key}=" in out for key in KEYS)


@pytest.mark.parametrize("script", ["evaluate.py", "predict.py", "export.py", "report.py"])
def test_each_script_tells_how_it_is_called(script):
    done = subprocess.run([sys.executable, ROOT / script, "-h"], capture_output=True, text=True, check=True)

    assert re.match(rf"usage: {re.escape(script)} \S+.*: \w", done.stdout), done.stdout
    assert done.stderr == ""


def test_a_command_whose_docstring_python_left_out_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["predict.py", "--help"])
    _print_usage(lambda: None)

    assert capsys.readouterr().out == "usage: predict.py (Python's -OO and PYTHONOPTIMIZE=2 leave the text out)\n"


def test_the_version_is_told(lightsweep_):
    assert lightsweep_("--version") == (0, f"lightsweep {lightsweep.__version__}, Hydra {hydra.__version__}\n", "")


def test_an_unknown_command_gets_the_nearest(lightsweep_):
    assert lightsweep_("trian") == (2, "", "error: `trian` is no command; did you mean 'train'?\n")


@pytest.mark.parametrize("words", [("resume=run",), ("new", "mine"), ("report", "runs")])
def test_a_present_folder_that_was_deleted_is_one_line(lightsweep_, tmp_path, words):
    tmp_path.rmdir()

    error = "error: the present folder is not there any more: change into one that is (cd)\n"
    assert lightsweep_(*words) == (2, "", error)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (("--version",), 0, f"lightsweep {lightsweep.__version__}, Hydra {hydra.__version__}\n", ""),
        (("trian",), 2, "", r"error: `trian` is no command; did you mean 'train'\?\n"),
        (("predict",), 2, "", "error: `run` is missing: lightsweep predict run=<folder of a run>\n"),
        (("sweeps=lr_momentum",), 2, "", "error: a search takes -m: lightsweep -m sweeps=lr_momentum …; without .*\n"),
    ],
)
def test_the_package_is_called_like_the_script(process, tmp_path, words, code, out, err):
    done = process(["-m", "lightsweep", *words], tmp_path)

    assert (done.returncode, done.stdout) == (code, out)
    assert re.fullmatch(err, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("program", "train", "predict"),
    [
        ("/opt/bin/lightsweep", ["lightsweep"], ["lightsweep", "predict"]),
        ("train.py", ["python", "train.py"], ["python", "predict.py"]),
        ("mine/train.py", ["python", "mine/train.py"], ["python", "predict.py"]),  # a project's only script
        ("-c", ["python", "train.py"], ["python", "predict.py"]),
    ],
)
def test_messages_say_what_can_be_called_here(monkeypatch, tmp_path, program, train, predict):
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/train.py").touch()
    monkeypatch.setattr(sys, "argv", [program])

    assert (called(), called("predict")) == (train, predict)
    assert resume_command(Path("outputs/a run"), ["mine"]) == shlex.join(
        [*train, "resume=outputs/a run", "trust=[mine]"]
    )


@pytest.mark.parametrize("words", [("optimizer.lr=-1",), ("train", "optimizer.lr=-1")])
def test_without_a_command_it_trains(lightsweep_, words):
    code, _, err = lightsweep_(*words)

    assert (code, err) == (2, "error: `optimizer.lr` must be in (0, inf) but got -1\n")


def test_info_is_a_command_and_a_key_of_train(lightsweep_):
    by_command, by_key = lightsweep_("info", "optimizer/adam"), lightsweep_("train", "info=optimizer/adam")

    assert by_command == by_key
    assert by_command[0] == 0
    assert by_command[1].startswith("adam   torch.optim.Adam   Implements Adam")


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("optimiser", "error: `info` knows no 'optimiser'; did you mean 'optimizer'?; it knows: "),
        ("optimizer/admw", "error: `optimizer` must be one of adadelta, "),
        ("nothing/at/all", "error: `info` knows no 'nothing/at/all'"),
    ],
)
def test_an_unknown_topic_is_one_line(lightsweep_, topic, text):
    code, out, err = lightsweep_("info", topic)

    assert (code, out) == (2, "")
    assert err.startswith(text)
    assert err.count("\n") == 1
