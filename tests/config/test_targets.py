"""Only what the allow list names is built; everything else is refused before anything of it runs."""

import os
import re
import sys

import pytest
from omegaconf import OmegaConf
from torch import nn

from lightsweep.config.targets import ALLOWED, instantiate, parameters_of, refuse_foreign, targets
from lightsweep.errors import ConfigError


@pytest.fixture
def witness(tmp_path):
    """A file that appears when a shell command ran."""
    return tmp_path / "ran"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "builtins.exec",
        "posix.system",
        "lightsweep.training.environment.subprocess.run",
        "lightsweep.files.os.system",
        "lightsweep.paths.os.system",
        "torch.optim.lr_scheduler.types.FunctionType",
        "torch.nn.modules.module.functools.partial",
        "torchvision.os.system",
        "torch.hub.load",
        "torch.load",
        "torch.utils.cpp_extension.load",
        "torch.nn.Module.load_state_dict",
        "torch.optim.Optimizer.load_state_dict",
        "torchvision.io.write_file",
        "torchvision.utils.save_image",
        "torchvision.datasets.utils.download_url",
        "torchvision.datasets.utils.extract_archive",
        "torchvision.datasets.MNIST",
        "torchvision.datasets.DatasetFolder",
        "lightsweep.files.write_text",
        "lightsweep.files.discard_parts",
        "lightsweep.training.train",
        "lightsweep.training.checkpoints.load",
        "lightsweep.models.MLP.load_from_checkpoint",
        "lightsweep.config.targets.instantiate",
        "lightsweep.launching.pool.Pool",
        "lightning.pytorch.callbacks.Callback.setup",
        "lightning.pytorch.callbacks.model_checkpoint.shutil.rmtree",
        "lightsweepx.anything",
        "lightsweep..paths",
        "torch.nn.__builtins__.eval",
        "torch.nn.Module.__init__.__globals__.get",
        "",
        "lightsweep",
    ],
)
def test_a_foreign_target_is_refused_and_nothing_runs(target, witness):
    node = OmegaConf.create({"_target_": target, "_args_": [f"touch {witness}"]})

    with pytest.raises(ConfigError, match=r"^`_target_: .*` (is not allowed|was not found)"):
        instantiate(node)

    assert not witness.exists()


def test_a_foreign_target_deep_inside_is_refused_before_the_outer_one_is_built(witness):
    inner = {"_target_": "os.system", "_args_": [f"touch {witness}"]}
    node = OmegaConf.create({"_target_": "torch.nn.Sequential", "_args_": [[{"x": inner}]]})

    with pytest.raises(ConfigError, match=r"^`_target_: os\.system` is not allowed"):
        instantiate(node)

    assert not witness.exists()


def test_a_refused_package_is_not_even_imported(monkeypatch, tmp_path):
    (tmp_path / "hostile.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"`_target_: hostile\.Net` is not allowed: .*trust=\[hostile\]"):
        instantiate(OmegaConf.create({"_target_": "hostile.Net"}))

    assert "hostile" not in sys.modules


def test_a_trusted_package_is_built(monkeypatch, tmp_path):
    (tmp_path / "mine_trusted.py").write_text("from torch import nn\nclass Net(nn.Linear):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    node = OmegaConf.create({"_target_": "mine_trusted.Net", "in_features": 2, "out_features": 3})

    found = instantiate(node, trust=["mine_trusted"])

    assert (found.in_features, found.out_features) == (2, 3)


@pytest.mark.parametrize(
    "target",
    [
        "torchvision.models.resnet18",
        "torchvision.transforms.Compose",
        "torchvision.transforms.v2.RandomCrop",
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "lightning.pytorch.callbacks.LearningRateMonitor",
    ],
)
def test_parts_of_a_run_are_allowed(target):
    refuse_foreign(target)


def test_a_function_that_is_trusted_by_name_is_called(tmp_path):
    node = OmegaConf.create({"_target_": "torchvision.datasets.utils.calculate_md5", "fpath": str(tmp_path / "x")})
    (tmp_path / "x").write_bytes(b"ab")

    assert instantiate(node, trust=["torchvision.datasets.utils"]) == "187ef4436122d1cc2f40dc2b92f0eba0"


def test_trust_in_a_package_is_no_trust_in_what_it_imports(monkeypatch, tmp_path, witness):
    (tmp_path / "mine_with_os.py").write_text("import os\n")
    monkeypatch.syspath_prepend(tmp_path)
    node = OmegaConf.create({"_target_": "mine_with_os.os.system", "_args_": [f"touch {witness}"]})

    told = r"is not allowed: it is imported from posix, which `trust` does not name; .*trust=\[mine_with_os,posix\]$"
    with pytest.raises(ConfigError, match=told):
        instantiate(node, trust=["mine_with_os"])

    assert not witness.exists()


def test_what_is_trusted_and_nothing_to_call_is_told_what_to_be(monkeypatch, tmp_path):
    (tmp_path / "mine_with_number.py").write_text("NUMBER = 3\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"NUMBER` must be a class or a function but is 3$"):
        instantiate(OmegaConf.create({"_target_": "mine_with_number.NUMBER"}), trust=["mine_with_number"])


def test_a_module_that_ends_the_process_as_it_is_imported_is_named(monkeypatch, tmp_path):
    (tmp_path / "leaving_nets.py").write_text("raise SystemExit(7)\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"cannot be imported: SystemExit: 7 \(leaving_nets\.py, line 1\)$"):
        instantiate(OmegaConf.create({"_target_": "leaving_nets.Net"}), trust=["leaving_nets"])


def test_arguments_reach_the_target_as_they_are():
    node = OmegaConf.create({"_target_": "torch.nn.Linear", "in_features": 2})

    found = instantiate(node, out_features=5)

    assert isinstance(found, nn.Linear)
    assert found.weight.shape == (5, 2)


def test_an_unknown_argument_is_the_users_mistake():
    node = OmegaConf.create({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2, "colour": 1})

    with pytest.raises(ConfigError, match=r"`torch\.nn\.Linear` could not be built: it takes no `colour`"):
        instantiate(node)


def test_an_inner_part_that_cannot_be_built_is_named_and_not_what_it_is_within():
    inner = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2, "dtype": 3}
    node = OmegaConf.create({"_target_": "torch.nn.ModuleList", "modules": [{"_target_": "torch.nn.ReLU"}, inner]})

    with pytest.raises(ConfigError, match=r"^`torch\.nn\.Linear` could not be built: .*dtype"):
        instantiate(node)


def refusing():
    raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")


def without_memory():
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


def test_what_a_network_of_ones_own_refuses_is_the_users_mistake():
    node = OmegaConf.create({"_target_": f"{__name__}.refusing"})

    with pytest.raises(
        ConfigError,
        match=r"could not be built: mat1 and mat2 shapes cannot be multiplied \(test_targets\.py, line \d+\)$",
    ):
        instantiate(node, trust=[__name__])


def test_a_memory_that_is_too_small_is_no_setting_of_the_target():
    node = OmegaConf.create({"_target_": f"{__name__}.without_memory"})

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        instantiate(node, trust=[__name__])


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("torch.nn.Linaer", r"torch\.nn has no Linaer; did you mean 'Linear'\?"),
        ("misspelt_nets.Nett", r"misspelt_nets has no Nett; did you mean 'Net'\?"),
        ("misspelt_nets.dep.Net", r"misspelt_nets has no dep; did you mean 'deep'\?"),
        ("misspelt_nets.deep.Qqq", r"misspelt_nets\.deep has no Qqq"),
        ("misspelt_nets.Net.bult", r"misspelt_nets\.Net has no bult; did you mean 'built'\?"),
        ("misspelt_nets.broken.Net", r"No module named 'misspelt_nets_needs_it' \(broken\.py, line 1\)"),
        ("misspelt_netz.Net", r"No module named 'misspelt_netz'"),
    ],
)
def test_a_misspelt_target_was_not_found(monkeypatch, tmp_path, target, reason):
    (tmp_path / "misspelt_nets").mkdir()
    (tmp_path / "misspelt_nets" / "__init__.py").write_text("class Net:\n    built = 1\n")
    (tmp_path / "misspelt_nets" / "deep.py").write_text("")
    (tmp_path / "misspelt_nets" / "broken.py").write_text("import misspelt_nets_needs_it\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=rf"^`_target_: {re.escape(target)}` was not found: {reason}$"):
        instantiate(OmegaConf.create({"_target_": target}), trust=["misspelt_nets", "misspelt_netz"])


def test_targets_are_found_at_any_depth():
    node = {"_target_": "a", "x": [{"_target_": "b"}, [{"y": {"_target_": "c"}}]], "z": {"_target_": None}}

    assert list(targets(OmegaConf.create(node))) == ["a", "b", "c"]


def test_the_allow_list_is_small_and_ends_at_package_boundaries():
    assert all(prefix.endswith(".") for prefix in ALLOWED)
    assert not os.__name__.startswith(ALLOWED)


def test_a_class_whose_arguments_python_does_not_know_takes_none_by_name():
    assert parameters_of(f"{__name__}.Derived", [__name__]) == {}


class Derived(dict):
    """Has the constructor of a class that is written in C."""
