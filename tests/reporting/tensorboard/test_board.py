"""What a run's event files hold: the numbers of metrics.csv and result.json, norms, times, pictures and the graph."""

import csv
import io
import json
import math
import threading

import pytest
import torch
from PIL import Image
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from torch import nn
from tqdm.std import TqdmDefaultWriteLock, tqdm

from lightsweep.paths import RunPaths
from lightsweep.reporting.tensorboard.graph import network_graph
from lightsweep.reporting.tensorboard.logger import TensorBoard

MLP = (
    "model=mlp",
    "model.widths=[12]",
    "optimizer=momentum",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=4",
    "logger=tensorboard",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs") / "run"


@pytest.fixture
def finished(folder, run):
    """The paths of one finished run, made once for all tests here."""
    if not folder.exists():
        run(*MLP, folder=folder)
    return RunPaths(folder)


def test_the_last_seconds_by_part_are_the_results(finished, curves):
    result = json.loads(finished.result.read_text())

    found = {tag: points[-1] for tag, points in curves(finished.tensorboard).items() if tag.startswith("time/")}

    assert found == {
        f"time/{part}": (33, pytest.approx(seconds, rel=1e-6)) for part, seconds in result["seconds_by_part"].items()
    }


def test_metrics_by_epoch_repeat_the_rows_of_the_epochs(finished, curves):
    with finished.metrics.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/loss"]]

    found = curves(finished.tensorboard)

    for metric in ("loss", "acc"):
        for tag, column in ((f"train/{metric}", f"train/{metric}_epoch"), (f"val/{metric}", f"val/{metric}")):
            wanted = [(number, pytest.approx(float(row[column]), rel=1e-6)) for number, row in enumerate(rows, 1)]
            assert found[f"by_epoch/{tag}"] == wanted


def test_norms_stand_at_each_logging_point_and_the_last_are_the_checkpoints(finished, curves):
    found = curves(finished.tensorboard)
    weights = torch.load(finished.last, weights_only=True)["state_dict"]

    assert [step for step, _ in found["norm/gradient"]] == [4, 8, 11, 15, 19, 22, 26, 30, 33]
    assert all(value > 0 for _, value in found["norm/gradient"])
    for name, tensor in weights.items():
        own = found[f"norm_weights/{name.removeprefix('net.')}"]
        assert own[-1] == (33, pytest.approx(float(tensor.norm()), rel=1e-5))
    whole = math.sqrt(sum(float(tensor.square().sum()) for tensor in weights.values()))
    assert found["norm/weights"][-1][1] == pytest.approx(whole, rel=1e-5)


def test_the_gradients_norm_is_that_of_the_mean_loss(run, initial, tmp_path, curves):
    overrides = (
        "model=softmax_regression",
        "logger=tensorboard",
        "optimizer=sgd",
        "trainer.max_steps=1",
        "trainer.log_every_n_steps=1",
    )
    datamodule, model = initial(*overrides)
    inputs, targets = next(next(iter(datamodule.train_dataloader())).batches)
    loss = torch.nn.functional.cross_entropy(model(inputs), targets)
    grads = torch.autograd.grad(loss, list(model.net.parameters()))

    run(*overrides, folder=tmp_path / "run")

    found = curves(RunPaths(tmp_path / "run").tensorboard)
    assert found["norm/gradient"] == [
        (1, pytest.approx(float(torch.cat([g.flatten() for g in grads]).norm()), rel=1e-5))
    ]


def test_momentum_is_logged_as_it_changes(run, tmp_path, curves):
    scheduler = ("scheduler=onecycle", "scheduler.cycle_momentum=true", "trainer.log_every_n_steps=2", "test=false")
    run("model=softmax_regression", "logger=tensorboard", *scheduler, folder=tmp_path)

    found = curves(RunPaths(tmp_path).tensorboard)
    with RunPaths(tmp_path).metrics.open() as file:
        rows = [row for row in csv.DictReader(file) if row["momentum"]]
    assert found["momentum"] == [(int(row["step"]), pytest.approx(float(row["momentum"]), rel=1e-6)) for row in rows]
    assert len({value for _, value in found["momentum"]}) > 2, "onecycle moves it"


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [("adam", 0.9), ("sgd", 0.0), ("adagrad", None), ("optimizer=rmsprop", 0.0)]
)
def test_momentum_is_the_optimizers_own(initial, compose, optimizer, momentum):
    from lightsweep.training.build import build_stepper
    from lightsweep.training.clock import Clock
    from lightsweep.training.signals import StopRequest

    overrides = ("model=softmax_regression", f"optimizer={optimizer.removeprefix('optimizer=')}")
    datamodule, model = initial(*overrides)

    stepper = build_stepper(compose(*overrides), datamodule, model, "max", Clock(), StopRequest(), torch.device("cpu"))

    assert stepper.momentum == momentum


def test_the_layout_shows_training_and_validation_in_one_chart(finished, read):
    content = read(finished.tensorboard).Tensors("custom_scalars__config__")
    assert len(content) == 1
    layout = Layout.FromString(content[0].tensor_proto.string_val[0])

    charts = {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}
    assert [category.title for category in layout.category][:2] == ["Loss", "Accuracy"]
    assert charts == {
        "against steps or time": ["(train|val)/loss$"],
        "against epochs": ["by_epoch/(train|val)/loss$"],
    }


def test_the_graph_takes_no_lock_among_processes():
    network_graph(nn.Linear(2, 1), torch.ones(1, 2))

    assert not isinstance(tqdm.get_lock(), TqdmDefaultWriteLock)


def test_the_network_is_a_graph_of_its_modules(finished, read):
    graph = read(finished.tensorboard).Graph()
    nodes = {node.name: list(node.input) for node in graph.node}
    assert nodes == {
        "input_1": [],
        "Flatten_0": ["input_1"],
        "Linear_1": ["Flatten_0"],
        "ReLU_2": ["Linear_1"],
        "Linear_3": ["ReLU_2"],
        "output": ["Linear_3"],
    }
    shapes = {node.name: node.attr["_output_shapes"].list.shape[0] for node in graph.node if node.op == "Linear"}
    assert [[dim.size for dim in shape.dim] for shape in shapes.values()] == [[2, 12], [2, 10]]


def test_pictures_and_the_table_are_about_the_test_set(finished, read):
    events = read(finished.tensorboard)
    result = json.loads(finished.result.read_text())

    assert set(events.Tags()["images"]) == {"test/confusion_matrix", "test/mistakes", "network/first_layer"}
    for tag in events.Tags()["images"]:
        (found,) = events.Images(tag)
        picture = Image.open(io.BytesIO(found.encoded_image_string))
        assert picture.size == (found.width, found.height)
        assert len(picture.convert("RGB").getcolors(maxcolors=1000)) > 10, "something is drawn"
    (text,) = events.Tensors("test/classes")
    head = text.tensor_proto.string_val[0].decode().splitlines()[0]
    assert head == f"Accuracy on the test set: {100 * result['test/acc']:.2f} % of 200 examples"


def test_the_table_counts_as_the_network_predicts(finished, read, compose):
    from lightsweep.training.build import build_data
    from lightsweep.training.checkpoints import load
    from lightsweep.training.model import build_model

    cfg = compose(*MLP)
    datamodule = build_data(cfg)
    datamodule.setup("fit")
    model = build_model(cfg, datamodule.spec)
    model.load_state_dict(load(finished.best)["state_dict"])
    datamodule.setup("test")
    arrays = datamodule.splits["test"]
    inputs = (arrays.inputs.float() / 255 - datamodule.mean) / datamodule.std
    predicted = model.eval()(inputs).argmax(1)
    found = ((predicted == 7) & (arrays.targets == 7)).sum().item()
    precision, recall = found / (predicted == 7).sum().item(), found / (arrays.targets == 7).sum().item()

    (text,) = read(finished.tensorboard).Tensors("test/classes")

    lines = text.tensor_proto.string_val[0].decode().splitlines()
    size = (arrays.targets == 7).sum().item()
    assert f"| 7 - seven | {size} | {100 * precision:.2f} % | {100 * recall:.2f} % |" in lines


@pytest.mark.parametrize("split", [["data.val_size=50"], ["data.val_size=0", "data.fold=0", "data.num_folds=12"]])
def test_a_run_without_test_is_shown_on_its_validation_split(run, tmp_path, read, split):
    result = run("model=softmax_regression", "logger=tensorboard", "test=false", *split, folder=tmp_path)

    events = read(RunPaths(tmp_path).tensorboard)
    assert set(events.Tags()["images"]) == {"val/confusion_matrix", "val/mistakes", "network/first_layer"}
    (text,) = events.Tensors("val/classes")
    accuracy = f"{100 * result.metrics['val/acc']:.2f} % of 50 examples"
    assert text.tensor_proto.string_val[0].decode().startswith(f"Accuracy on the val set: {accuracy}")
    assert "test/acc" not in result.metrics


def test_everything_can_be_turned_off(run, tmp_path, curves, read):
    off = [f"logger.tensorboard.{key}=false" for key in ("norms", "predictions", "graph")]
    run("model=softmax_regression", "logger=tensorboard", "test=false", *off, folder=tmp_path)

    paths = RunPaths(tmp_path)
    kinds = {tag.partition("/")[0] for tag in curves(paths.tensorboard)}
    assert kinds == {"train", "val", "lr", "momentum", "epoch", "by_epoch", "time"}
    assert not read(paths.tensorboard).Tags()["images"]
    assert not read(paths.tensorboard).Tags()["graph"]


def test_histograms_are_written_when_asked_for(run, tmp_path, read):
    on = "logger.tensorboard.histograms=true"
    run("model=softmax_regression", "logger=tensorboard", on, "trainer.max_epochs=2", folder=tmp_path)

    events = read(RunPaths(tmp_path).tensorboard)
    assert len(events.Tags()["histograms"]) == 4
    assert [event.step for event in events.Histograms("weights/1.weight")] == [11, 22]
    last = events.Histograms("weights/1.weight")[-1].histogram_value
    weight = torch.load(RunPaths(tmp_path).last, weights_only=True)["state_dict"]["net.1.weight"]
    assert (last.num, last.sum) == (7840, pytest.approx(float(weight.sum()), abs=1e-4))
    assert (last.min, last.max) == (pytest.approx(float(weight.min())), pytest.approx(float(weight.max())))


def test_complex_weights_are_shown_by_their_sizes(run, importable, tmp_path, read):
    importable(
        "waves",
        """
        import torch
        from torch import nn

        class Waves(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.last = nn.Conv2d(1, 2, 5, 4, dtype=torch.cfloat), nn.Linear(72, 10)

            def forward(self, inputs):
                return self.last(self.conv(inputs + 0j).abs().flatten(1))
        """,
    )
    on = ("logger=tensorboard", "logger.tensorboard.histograms=true")
    run("~model", "+model={_target_: waves.Waves}", "trust=[waves]", *on, folder=tmp_path / "run")

    paths = RunPaths(tmp_path / "run")
    (event,) = read(paths.tensorboard).Histograms("weights/conv.weight")
    sizes = torch.load(paths.last, weights_only=True)["state_dict"]["net.conv.weight"].abs()
    found = event.histogram_value
    assert (found.num, found.sum) == (50, pytest.approx(float(sizes.sum()), rel=1e-5))
    assert found.max == pytest.approx(float(sizes.max()))
    assert "network/first_layer" in read(paths.tensorboard).Tags()["images"]


@pytest.mark.parametrize("logger", ["none", "csv"])
def test_without_a_tensorboard_logger_nothing_is_written(run, tmp_path, logger):
    run("model=softmax_regression", f"logger={logger}", folder=tmp_path)

    assert not list(tmp_path.rglob("*tfevents*"))
    assert not RunPaths(tmp_path).tensorboard.exists()


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=linear_regression", "data=line"),
        ("model=logistic_regression", "data=mnist_binary", "data.digits=[3,8]"),
        ("model.filters=[3]", "trainer.ema_decay=0.5", "trainer.precision=bf16-mixed"),
        ("model=mlp", "model.widths=[5]", "model.batch_norm=true", "optimizer=lbfgs"),
        ("model=softmax_regression", "data.val_size=0", "test=false"),
        ("model=torchvision", "model.name=squeezenet1_1", "debug=fast_dev_run"),
    ],
    ids=["regression", "binary", "ema_bf16", "lbfgs", "no_validation", "gray_as_colour"],
)
def test_every_kind_of_run_has_a_board(run, tmp_path, curves, read, overrides):
    run(*overrides, "logger=tensorboard", folder=tmp_path)

    events, tests = read(RunPaths(tmp_path).tensorboard), "test=false" not in overrides
    classes = "data=line" not in overrides
    assert events.Tags()["graph"]
    assert ("test/confusion_matrix" in events.Tags()["images"]) == (classes and tests)
    assert curves(RunPaths(tmp_path).session.parent)["seconds"]


def test_a_network_that_cannot_be_traced_says_so(run, tmp_path, read, monkeypatch):
    (tmp_path / "branching.py").write_text(
        "from torch import nn\n"
        "class Branching(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(784, 10))\n"
        "    def forward(self, x):\n"
        "        return super().forward(x) if x.sum() > -1e9 else x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    custom = ("~model", "+model={_target_: branching.Branching}", "trust=[branching]", "logger=tensorboard")

    result = run(*custom, folder=tmp_path / "run")

    assert result.status == "completed"
    (text,) = read(RunPaths(tmp_path / "run").tensorboard).Tensors("network/graph")
    assert b"could not be traced: TraceError" in text.tensor_proto.string_val[0]


def test_a_full_disk_is_told_by_the_flush_and_not_by_the_thread_too(tmp_path, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer._AsyncWriterThread._run", full)
    logger = TensorBoard(str(tmp_path))

    with pytest.raises(OSError, match="No space left on device"):
        logger.experiment.flush()

    other = threading.Thread(target=lambda: 1 / 0)
    other.start()
    other.join()
    assert [type(args.exc_value) for args in told] == [ZeroDivisionError]
