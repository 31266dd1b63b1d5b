"""A network that starts with weights of another run or of a file."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training import evaluate, train
from lightsweep.training.checkpoints import load
from lightsweep.training.initial_weights import start_with

STILL = ("optimizer=sgd", "optimizer.lr=1e-30", "trainer.max_epochs=1")  # what it starts with is what it ends with


def mlp(*widths):
    layers = [nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b)) for a, b in pairwise(widths)]
    return nn.Sequential(*layers)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(mlp(4, 3, 2).state_dict(), path)
    return path


def test_all_that_a_file_holds_is_taken_buffers_too(file):
    net = mlp(4, 3, 2)

    start_with(net, file)

    expected = torch.load(file)
    assert all(torch.equal(value, expected[name]) for name, value in net.state_dict().items())


class Counting(nn.Linear):
    """Keeps a number of its own beside its tensors."""

    count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_a_networks_extra_state_is_taken_too(tmp_path):
    given, net = Counting(2, 1), Counting(2, 1)
    given.count = 7
    torch.save(given.state_dict(), tmp_path / "weights.pt")

    start_with(net, tmp_path / "weights.pt")

    assert net.count == 7
    assert torch.equal(net.weight, given.weight)


def test_what_is_skipped_stays_as_it_was_drawn(file):
    net = mlp(4, 3, 5)
    drawn = {name: value.clone() for name, value in net.state_dict().items()}

    start_with(net, file, [1])

    expected = torch.load(file)
    for name, value in net.state_dict().items():
        assert torch.equal(value, (expected if name.startswith("0.") else drawn)[name])


@pytest.mark.parametrize(
    ("net", "skip", "told"),
    [
        (
            mlp(4, 3, 5),
            (),
            r"^`weights`: 1\.0\.weight is \[2, 3\] in .*weights\.pt but \[5, 3\] .*=\[1\.0\]; in all, 6 of 14 tensors",
        ),
        (
            mlp(4, 3),
            (),
            r"^`weights`: .*weights\.pt has 1\.0\.weight, which this network has not; .*skip_weights=\[1\]$",
        ),
        (mlp(4, 3, 2, 2), (), r"^`weights`: .*weights\.pt has no 2\.0\.weight, which .*=\[2\.0\]; in all, 7 of 21 .*$"),
        (mlp(4, 5, 5, 6), (), r"^`weights`: 0\.0\.weight .*=\[0\.0\]; in all, 19 of 21 tensors do not fit$"),
        (mlp(4, 3, 2), ["1.0.wei"], r"^`skip_weights` names '1\.0\.wei', but neither .* has such a tensor$"),
    ],
)
def test_what_does_not_fit_is_named_with_what_to_do(file, net, skip, told):
    with pytest.raises(ConfigError, match=told):
        start_with(net, file, skip)


@pytest.mark.parametrize("content", [[1, 2], {1: torch.zeros(1)}])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")

    with pytest.raises(RunFolderError, match=r"other\.pt holds no weights by name"):
        start_with(mlp(4, 3), tmp_path / "other.pt")


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_run_starts_with_another_ones_best_weights_averaged_if_that_averaged_them(run, data, tmp_path, ema):
    base = [*data, "model=softmax_regression"]
    run(*base, "trainer.max_epochs=2", f"trainer.ema_decay={ema or 'null'}", folder=tmp_path / "first")
    best = load(RunPaths(tmp_path / "first").best)["state_dict"]
    expected = {
        name: best[name if ema is None else name.replace("net.", "ema.module.")] for name in best if "net." in name
    }

    run(*base, *STILL, f"weights={tmp_path / 'first'}", folder=tmp_path / "second")

    found = load(RunPaths(tmp_path / "second").last)["state_dict"]
    assert expected.keys() == found.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-20)


def test_a_run_that_goes_on_or_is_evaluated_needs_them_no_more(compose, run, data, tmp_path, file):
    base = [*data, "model=softmax_regression", "trainer.max_epochs=1"]
    run(*base, folder=tmp_path / "first")
    moved = (tmp_path / "first").rename(tmp_path / "moved")
    run(*base, f"weights={moved}", folder=tmp_path / "second")
    moved.rename(tmp_path / "gone")

    assert evaluate(tmp_path / "second").keys() >= {"test/acc"}
    cfg = compose(*base, f"weights={moved}", "trainer.max_epochs=2")
    assert train(cfg, tmp_path / "second", resume=True).epochs == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("weights=nowhere", "`weights` must be a run's folder or a file of weights, but there is no nowhere"),
        ("weights=.", "`weights` must be a run's folder or a file of weights, but there is no checkpoints/best.ckpt"),
        ("skip_weights=[1]", "`skip_weights` leaves weights out of a file, but `weights` names none"),
    ],
)
def test_what_the_settings_alone_show_is_told_before_anything_is_read(run, data, tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as error:
        run(*data, "model=softmax_regression", given)

    assert str(error.value) == told
