"""Networks of the user's own: what they need, what they may do, and what is told to be something else."""

import pytest

from lightsweep.errors import ConfigError

SMALL = """
    from torch import nn

    class Small(nn.Sequential):
        def __init__(self, units):
            super().__init__(nn.Flatten(), nn.Linear(784, units), nn.Tanh(), nn.Linear(units, 10))
"""
WRITING = """
    from torch import nn

    class Twin(nn.Linear):
        def __init__(self):
            super().__init__(3, 2)

        def forward(self, inputs):
            return super().forward(inputs + 1)

    class Writing(Twin):
        def forward(self, inputs):
            return nn.Linear.forward(self, inputs.add_(1))
"""
LIGHTNINGS = """
    from lightning.pytorch import LightningDataModule, LightningModule

    class Module(LightningModule): ...

    class Data(LightningDataModule):
        def __init__(self): ...
"""


def test_a_users_own_network_needs_one_yaml_and_no_lightning_module(run, importable, tmp_path):
    importable("my_nets", SMALL)

    result = run("~model", "+model={_target_: my_nets.Small, units: 5}", "trust=[my_nets]", folder=tmp_path / "run")

    assert result.status == "completed"
    assert result.parameters == 784 * 5 + 5 + 5 * 10 + 10


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_a_network_that_writes_into_its_input_leaves_the_data_as_they_are(run, importable, table, optimizer):
    importable("writing", WRITING)
    lasting = (
        *("data.batch_size=10", "data.val_size=20", "data.test_size=10"),
        *("trainer.max_epochs=3", "monitor=train/loss"),
    )
    found = [
        run("data=csv", f"data.path={table}", "data.target=kind", *lasting, f"optimizer={optimizer}", "~model",
            f"+model={{_target_: writing.{net}}}", f"data.loader={loader}", "trust=[writing]").metrics
        for net, loader in (("Twin", "device"), ("Writing", "device"), ("Writing", "workers"))
    ]  # fmt: skip

    assert found[1] == found[0]
    assert found[2] == found[0]


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("model", r"`model`: `my_parts\.Module` is a LightningModule, which is not trained as it is: give its network"),
        ("data", r"`data` must be an ArrayDataModule but `my_parts\.Data` is not$"),
    ],
)
def test_what_is_lightnings_alone_is_told_what_to_be(run, importable, tmp_path, group, text):
    importable("my_parts", LIGHTNINGS)
    target = {"model": ("~model", "+model={_target_: my_parts.Module}"), "data": ("data._target_=my_parts.Data",)}
    with pytest.raises(ConfigError, match=f"^{text}"):
        run(*target[group], "trust=[my_parts]", folder=tmp_path / "run")
