"""Exports of a finished run's network, held against it."""

import json
from contextlib import nullcontext
from importlib.util import find_spec

import pytest
import torch
from omegaconf import open_dict
from torch import nn

from lightsweep.cli.exporting import export
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths
from lightsweep.training.exporting import ExportDiffers
from lightsweep.training.exporting import export as write_export
from lightsweep.training.trained import load_trained

needs_onnx = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime has no build for this Python yet")
FORMATS = [pytest.param("onnx", marks=needs_onnx), "torch_export"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_computes_what_the_network_does(command, trained_run, format):
    ended = command(export, f"run={trained_run}", f"format={format}")

    assert (ended.code, ended.err) == (0, "")
    path = RunPaths(trained_run).exports / {"onnx": "model.onnx", "torch_export": "model.pt2"}[format]
    assert ended.out.startswith(f"{path}: equal on 200 test examples, largest deviation ")
    inputs = torch.rand(7, 1, 28, 28)
    with torch.no_grad():
        wanted = load_trained(trained_run).net(inputs)
    if format == "onnx":
        import onnx
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        found = torch.from_numpy(session.run(None, {"input": inputs.numpy()})[0])
        written = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    else:
        extra = {"lightsweep.json": ""}
        program = torch.export.load(path, extra_files=extra)
        found, written = program.module()(inputs), json.loads(extra["lightsweep.json"])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    assert json.loads(written["class_names"])[3] == "3 - three"
    assert (json.loads(written["mean"]), json.loads(written["std"])) == (0.1307, 0.3081)
    assert written["run"] == "trained/best"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_data_that_name_no_loader_are_exported_too(run, tmp_path):
    run("model=softmax_regression", "test=false", folder=tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    with open_dict(trained.cfg):
        del trained.cfg.data.loader

    assert write_export(trained, "torch_export", tmp_path / "model.pt2").examples == 200


def test_an_export_is_compared_on_the_whole_test_set_where_the_run_was_not(trained_run, tmp_path):
    trained = load_trained(trained_run)
    trained.cfg.data.eval_batch_size, trained.cfg.trainer.limit_test_batches = 50, 1

    assert write_export(trained, "torch_export", tmp_path / "model.pt2").examples == 200


@pytest.mark.parametrize(("added", "shown"), [(2e-3, "0.002"), (float("nan"), "nan, more than")])
def test_an_export_that_differs_is_not_kept(trained_run, monkeypatch, added, shown):
    from lightsweep.training import exporting

    trained = load_trained(trained_run)
    write = exporting._write_program

    def biased(*arguments):
        run = write(*arguments)
        return lambda inputs: run(inputs) + added

    monkeypatch.setattr(exporting, "_write_program", biased)

    with pytest.raises(ExportDiffers, match=rf"^an output of model\.pt2 differs from the network's by {shown}"):
        write_export(trained, "torch_export", trained_run / "model.pt2")

    assert not list(trained_run.glob("*.pt2"))


@pytest.mark.parametrize(("share", "kept"), [(1e-6, True), (2e-5, False)])
def test_large_numbers_may_differ_by_what_float32_rounds(run, tmp_path, monkeypatch, share, kept):
    from lightsweep.training import exporting

    run("model=linear_regression", "data=line", "data.theta=[1e6,2e6]", "optimizer=lbfgs", folder=tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    write = exporting._write_program

    def rounded(*arguments):
        run = write(*arguments)
        return lambda inputs: run(inputs) * (1 + share)

    monkeypatch.setattr(exporting, "_write_program", rounded)

    with nullcontext() if kept else pytest.raises(ExportDiffers, match=r"differs from the network's by \d+"):
        assert write_export(trained, "torch_export", tmp_path / "model.pt2").deviation > 0.01


class Branching(nn.Module):
    """A network that looks at its numbers, which nobody can who traces it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs):
        outputs = self.net(inputs)
        return outputs if inputs.sum() > 0 else 2 * outputs


class Named(nn.ModuleDict):
    """A network whose part has a name that no program can have, which torch meets as it reads its file back."""

    def __init__(self, net):
        super().__init__({"in": net})

    def forward(self, inputs):
        return self["in"](inputs)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", [Branching, Named])
def test_a_network_that_cannot_be_exported_is_one_line(trained_run, capfd, kind, format):
    trained = load_trained(trained_run)
    trained.model.net = kind(trained.model.net)

    text = rf"^`format={format}`: torch cannot export {kind.__name__}: \w.*$"
    with pytest.raises(ConfigError, match=text) as caught:
        write_export(trained, format, trained_run / "exports" / "model")
    assert "\n" not in str(caught.value)

    assert capfd.readouterr().err == ""
    assert not list((trained_run / "exports").iterdir())
