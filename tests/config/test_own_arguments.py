"""Settings of the user's own classes are held against the types in their source, and nothing is imported for it."""

import re
import sys

import pytest

from lightsweep import compose
from lightsweep.config.check import check
from lightsweep.errors import ConfigError

NET = """
from typing import Optional, Union
raise SystemExit("imported")

class Net:  # the last of this name counts
    def __init__(self, spec, kind: int = 1): ...

class Net:
    def __init__(self, spec, width: int = 8, scale: float = 1.0, bias: bool = True, kind: str = "relu",
                 depth: "int | None" = None, rate: Optional[float] = None, either: Union[int, str] = 1,
                 sloppy: int = None, half: int = 0.5, any=1, sizes: list[int] = (), odd: "Width" = 1, **more: int):
        ...

class Wide(Net):
    def __init__(self, spec, height: int = 1, **options):
        ...
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The present folder, with a network and two names for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "typed_nets.py").write_text(NET)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    for name in ("Net", "Wide"):
        (tmp_path / "conf" / "model" / f"{name.lower()}.yaml").write_text(f"_target_: typed_nets.{name}\n")


@pytest.mark.parametrize(
    ("setting", "wanted", "got"),
    [
        ("width=eight", "a whole number", "'eight'"),
        ("width=8.0", "a whole number", "8.0"),
        ("width=null", "a whole number", "None"),
        ("scale=big", "a number", "'big'"),
        ("bias=maybe", "true or false", "'maybe'"),
        ("bias=2", "true or false", "2"),
        ("kind=false", "a text", "False"),
        ("depth=1.5", "a whole number or null", "1.5"),
        ("rate=high", "a number or null", "'high'"),
    ],
)
@pytest.mark.parametrize("model", ["net", "wide"])
def test_a_value_of_another_type_is_named(model, setting, wanted, got):
    text = f"`model.{setting.partition('=')[0]}` must be {wanted}, as typed_nets.{model.title()} has it, but got {got}"

    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        compose([f"model={model}", "trust=[typed_nets]", f"+model.{setting}"])

    assert "typed_nets" not in sys.modules


@pytest.mark.parametrize(
    "setting",
    [
        *("width=9", "width=true", "scale=2", "scale=1e-3", "bias=1", "kind=tanh", "depth=null", "either=x"),
        *("sloppy=null", "half=0.5", "any=x", "sizes=x", "odd=x", "width=[8]", "unknown=x", "more=x"),
        *("half=0.7", "kind=2024", "kind=1.5"),
    ],
)
def test_what_may_be_right_is_left_to_the_class(setting):
    assert compose(["model=net", "trust=[typed_nets]", f"+model.{setting}"])


def test_what_is_not_trusted_or_has_trained_already_is_left_alone():
    cfg = compose(["model=net", "+model.width=eight"])
    cfg.trust = ["typed_nets"]

    check(cfg, finished=True)
    with pytest.raises(ConfigError, match=r"^`model\.width` must be"):
        check(cfg)


def test_a_file_that_has_changed_is_read_anew(tmp_path):
    words = ["model=net", "trust=[typed_nets]", "+model.width=8.0"]
    with pytest.raises(ConfigError, match=r"^`model\.width` must be"):
        compose(words)

    (tmp_path / "typed_nets.py").write_text(NET.replace("width: int = 8", "width: float = 8.0"))

    assert compose(words).model.width == 8.0


def test_a_schedulers_auto_is_left_to_the_run(tmp_path):
    source = "def fall(optimizer, length: int, rate: float = 0.1): ...\n"
    (tmp_path / "typed_nets.py").write_text(source)
    scheduler = "scheduler={_target_: typed_nets.fall, _partial_: true, interval: step, length: auto"

    assert compose(["trust=[typed_nets]", "~scheduler", f"+{scheduler}}}"])
    with pytest.raises(ConfigError, match=r"^`scheduler\.rate` must be a number, as typed_nets\.fall has it"):
        compose(["trust=[typed_nets]", "~scheduler", f"+{scheduler}, rate: high}}"])
