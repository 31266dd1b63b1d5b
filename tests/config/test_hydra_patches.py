import argparse
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
