import argparse
import subprocess
import sys
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser

from lightsweep.config.hydra_patches import make_flags


def test_hydras_flags_are_made_where_argparse_looks_into_each_help(monkeypatch: pytest.MonkeyPatch) -> None:
    add_argument = argparse.ArgumentParser.add_argument

    def add_as_python_3_14(self: argparse.ArgumentParser, *names: str, **arguments: Any) -> argparse.Action:
        action = add_argument(self, *names, **arguments)
        self._check_help(action)  # type: ignore[attr-defined]
        return action

    def check_help(self: argparse.ArgumentParser, action: argparse.Action) -> None:
        assert action.help is None or "%(" not in action.help

    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check_help, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", add_as_python_3_14)
    with pytest.raises(TypeError, match="LazyCompletionHelp"):
        get_args_parser()
    make_flags()
    get_args_parser()


@pytest.mark.parametrize("value", ["choice(1,2)", "{a:1}"])
def test_what_hydra_cannot_read_without_assertions_is_told_in_a_word(value: str) -> None:
    program = (
        "import sys; from lightsweep.config.hydra_patches import prepare_hydra; prepare_hydra(); "
        "from hydra.core.override_parser.overrides_parser import OverridesParser; "
        "OverridesParser.create().parse_overrides(['a=[1,2]', 'a=1,2', f'a={sys.argv[1]}'])"
    )
    done = subprocess.run([sys.executable, "-O", "-c", program, value], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("lightsweep.errors.ConfigError: Hydra reads neither a function, ")
    assert subprocess.run([sys.executable, "-c", program, value], check=False).returncode == 0
