"""Networks of the user's own: what they need, what they may do, and what is told to be something else."""

import threading

import pytest
import torch
from torch import nn

from lightsweep.data import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models import Wrapped
from lightsweep.paths import RunPaths
from lightsweep.training.model import averaged, refuse_several_processes

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
PROBABILITIES = """
    import torch
    from torch import nn

    from lightsweep.models import Model
    from lightsweep.models.tasks import Multiclass

    class Certain(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1))

    class Likelihood(Multiclass):
        def loss(self, outputs, targets):
            return nn.functional.nll_loss(outputs.log(), targets)

    class Own(Model):
        def __init__(self, spec):
            super().__init__(spec, Certain(), Likelihood())
"""
INDEXED = """
    import torch
    from torch import nn

    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.normed, self.linear = nn.BatchNorm1d(3), nn.Linear(3, 2)
            self.register_buffer("order", torch.arange(2, -1, -1))
            self.register_buffer("flags", torch.tensor([True, False]))
            self.passes = {"training": 0, "evaluation": 0}

        def get_extra_state(self):
            return self.passes

        def set_extra_state(self, state):
            self.passes = state

        def forward(self, inputs):
            self.passes["training" if self.training else "evaluation"] += 1
            return self.linear(self.normed(inputs[:, self.order]))
"""
MISTAKEN = """
    from torch import nn

    class Mistaken(nn.Flatten):
        def forward(self, inputs):
            rows = super().forward(inputs)
            return rows.view(3, 7)
"""
MODELS = """
    from torch import nn

    from lightsweep.models import Model
    from lightsweep.models.tasks import Regression

    class Plain(Model):
        def __init__(self, spec, task=None):
            super().__init__(spec, nn.Linear(1, 1), task or Regression())

    class Steps(Plain):
        def configure_optimizers(self): ...

    class Hooks(Plain):
        def on_before_optimizer_step(self, optimizer): ...

    class Automatic(Plain):
        def __init__(self, spec):
            super().__init__(spec)
            self.automatic_optimization = True

    class Idle(Plain):
        def training_step(self, batch, batch_idx): ...

    class Apart(Plain):
        class Each(Regression):
            def loss(self, outputs, targets):
                return (outputs - targets) ** 2

        def __init__(self, spec):
            super().__init__(spec, self.Each())

    class Bare(Plain):
        class Half:
            counts = False

            def loss(self, outputs, targets): ...

        def __init__(self, spec):
            super().__init__(spec, self.Half())
"""
SEALED = """
    from lightsweep.data import Line

    class Sealed(Line):
        def __init__(self):
            super().__init__(batch_size=10)

    class Shut(Line):
        def __init__(self, **options): ...

    class Open(Line):
        def __init__(self, **options):
            super().__init__(**options)

    class Leaky(Line):
        def __init__(self, val_size, **options):
            super().__init__(**options)
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


def test_a_network_that_fails_at_what_is_tried_names_its_line(run, importable, tmp_path):
    importable("my_mistake", MISTAKEN)
    with pytest.raises(ConfigError, match=r"float32: shape '\[3, 7\]' is invalid for .* \(my_mistake\.py, line 7\)$"):
        run("~model", "+model={_target_: my_mistake.Mistaken}", "trust=[my_mistake]", folder=tmp_path / "run")


def test_averaging_leaves_indices_and_counts_and_extra_state_whole(run, importable, table, tmp_path):
    importable("my_indices", INDEXED)
    data = ("data=csv", f"data.path={table}", "data.target=kind", "data.batch_size=10", "test=false")

    run(*data, "~model", "+model={_target_: my_indices.Reversed}", "trust=[my_indices]", "trainer.max_epochs=3",
        "data.val_size=12", "trainer.ema_decay=0.999", folder=tmp_path / "run")  # fmt: skip

    state = torch.load(RunPaths(tmp_path / "run").last, weights_only=True)["state_dict"]
    extra = [state.pop(f"{net}._extra_state") for net in ("net", "ema.module")]
    assert extra[1]["training"] == extra[0]["training"] > 3
    assert extra[1]["evaluation"] > extra[0]["evaluation"]  # the averaged one alone is validated
    whole = [name for name, value in state.items() if name.startswith("net.") and not value.is_floating_point()]
    assert whole == ["net.order", "net.flags", "net.normed.num_batches_tracked"]
    for name in whole:
        assert torch.equal(state[name.replace("net.", "ema.module.")], state[name]), name
    assert state["net.order"].tolist() == [2, 1, 0]


def test_a_network_that_cannot_be_copied_is_not_averaged():
    net = nn.Linear(3, 2)
    net.lock = threading.Lock()  # type: ignore[assignment]

    with pytest.raises(ConfigError, match=r"^`trainer\.ema_decay` needs a copy of the network, which has none: cannot"):
        averaged(Wrapped(DataSpec((3,), 2), net), 0.9)


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        (nn.Linear(3, 2, dtype=torch.complex64), "complex parameters are"),
        (nn.EmbeddingBag(3, 2, sparse=True), "an embedding with `sparse=True` is"),
    ],
)
def test_gradients_that_processes_cannot_add_up_are_for_one(net, kind):
    refuse_several_processes(nn.Embedding(3, 2), 2)

    with pytest.raises(ConfigError, match=f"^`model`: {kind} trained by one process but there are 2$"):
        refuse_several_processes(net, 2)


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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Steps", "Steps.configure_optimizers has no effect, as the training step is lightsweep's own: optimizer, sch"),
        ("Hooks", "Hooks.on_before_optimizer_step has no effect"),
        ("Automatic", "Automatic.automatic_optimization has no effect"),
        ("Idle", r"Idle.training_step must call super\(\).training_step, which makes the steps"),
        ("Apart", r"the loss of Each must be one number, the batch's mean, but has shape \[10, 1\]"),
        ("Bare", "the task Half has no `correct`"),
    ],
)
def test_a_model_that_does_not_fit_the_training_step_is_one_line(run, importable, tmp_path, name, text):
    importable("my_models", MODELS)
    with pytest.raises(ConfigError, match=f"^`model`: {text}"):
        run("data=line", "data.batch_size=10", "test=false", "~model", f"+model={{_target_: my_models.{name}}}",
            "trust=[my_models]", folder=tmp_path / "run")  # fmt: skip


def test_a_network_that_gives_probabilities_is_refused_but_where_its_own_loss_takes_them(run, importable, tmp_path):
    importable("my_probabilities", PROBABILITIES)
    text = r"^`model` Certain gives probabilities, of which the loss would take the softmax again: leave its own out$"

    with pytest.raises(ConfigError, match=text):
        run(
            "~model", "+model={_target_: my_probabilities.Certain}", "trust=[my_probabilities]", folder=tmp_path / "run"
        )

    own = run("~model", "+model={_target_: my_probabilities.Own}", "trust=[my_probabilities]", folder=tmp_path / "own")
    assert own.status == "completed"


def test_data_that_do_not_hand_on_their_options_are_told_to(run, importable, tmp_path):
    importable("my_sealed", SEALED)
    given = ("data=line", "model=linear_regression", "trust=[my_sealed]", "test=false")

    text = r"^`data`: `my_sealed\.Sealed` must take `\*\*options` too, and hand them to `super\(\)\.__init__\(\*\*opt"
    for name in ("Sealed", "Shut"):
        with pytest.raises(ConfigError, match=text.replace("Sealed", name)):
            run(*given, f"data._target_=my_sealed.{name}", folder=tmp_path / "run")

    with pytest.raises(
        ConfigError, match=r"^`data\.batch_size` is missing: begin the YAML with `defaults: \[base, _self_\]"
    ):
        run(*given, "data._target_=my_sealed.Open", "~data.batch_size", folder=tmp_path / "bare")

    with pytest.raises(
        ConfigError, match=r"^`data\.val_size` is 100 but Leaky goes by 0: let it hand its `\*\*options`"
    ):
        run(*given, "data._target_=my_sealed.Leaky", "data.val_size=100", folder=tmp_path / "leaky")

    assert run(*given, "data._target_=my_sealed.Open", folder=tmp_path / "open").status == "completed"
