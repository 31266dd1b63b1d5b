"""What is done with a finished run: mistakes about it, other machines, and files of it that are gone or damaged."""

import re

import pytest
import torch

from lightsweep import evaluate as evaluate_run
from lightsweep.cli.evaluating import evaluate
from lightsweep.cli.exporting import export
from lightsweep.cli.predicting import predict
from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training.trained import load_trained


def test_a_run_without_a_test_set_says_so(command, run, table, tmp_path):
    data = ("data=csv", f"data.path={table}", "data.target=kind", "data.val_size=10", "data.batch_size=10")
    run(*data, "model=softmax_regression", "test=false", folder=tmp_path / "run")

    for function, words in ((evaluate, []), (export, ["format=torch_export"])):
        ended = command(function, f"run={tmp_path / 'run'}", *words)

        assert ended.code == 2
        assert re.fullmatch(r"error: the run has no test set, .*: its data\.test_size is 0, .*", ended.line)


@pytest.mark.parametrize(
    ("function", "words", "text"),
    [
        (predict, [], r"error: `run` is missing: python predict\.py run=<folder of a run>"),
        (
            predict,
            ["run=nowhere", "a.png"],
            r"error: `run` must be the folder of a run but nowhere .*",
        ),
        (predict, ["run={run}"], r"error: no file is named: python predict\.py run=.*"),
        (
            predict,
            ["run={run}", "{run}", "{run}/data.json", "checkpoint=first"],
            r"error: `checkpoint` must be best or last .*",
        ),
        (evaluate, ["run={run}", "checkpoint=first"], r"error: `checkpoint` must be best or last but got 'first'"),
        (predict, ["run={run}", "a.png", "out={run}/config.yaml"], r"error: `out` must be a folder but .* is a file"),
        (predict, ["run={run}", "a.png", "ot=x"], r"error: `ot` is no known key; did you mean 'out'\?"),
        (export, ["run={run}", "format=tflite"], r"error: `format` must be one of onnx, torch_export but got 'tflite'"),
        (
            export,
            ["run={run}", "format=onnx", "out=net.pt2"],
            r"error: `out` must end in \.onnx for format=onnx but got net\.pt2",
        ),
        (export, ["run={run}", "out=net"], r"error: `out` must end in \.onnx or \.pt2, or name .* but got net"),
        (export, ["run={run}", "out=."], r"error: `out` must be a file but \. is a folder"),
        (export, ["run={run}", "format=onnx", "out={run}/"], r"error: `out` must be a file but .* is a folder"),
        (export, ["run={run}", "out={run}/data.json/in/m.pt2"], r"error: .* is a file; .* out=<file>"),
        (export, ["run={run}", "trust=all"], r"error: `trust` must be a list like \[my_package\] but got 'all'"),
    ],
)
def test_a_mistake_is_one_line(command, trained_run, function, words, text):
    ended = command(function, *(word.format(run=trained_run) for word in words))

    assert ended.code == 2
    assert re.fullmatch(text, ended.line)


@pytest.mark.parametrize("function", [evaluate_run, load_trained])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"checkpoint": "lst"}, r"^`checkpoint` must be best or last but got 'lst'$"),
        ({"trust": "proj"}, r"^`trust` must be a list like \[my_package\] but got 'proj'$"),
    ],
)
def test_a_mistake_in_python_is_what_the_command_says(trained_run, function, given, text):
    with pytest.raises(ConfigError, match=text):
        function(trained_run, **given)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_run_is_evaluated_on_a_machine_that_lacks_its_devices(trained_run, monkeypatch, kind):
    known = evaluate_run(trained_run)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    config = RunPaths(trained_run).config
    text = config.read_text()
    for given, other in (
        ("accelerator: cpu", f"accelerator: {kind}"),
        ("cuda_graph: null", "cuda_graph: true"),
        ("devices: 1", "devices: [3]"),
        ("num_nodes: 1", "num_nodes: 2"),
        ("strategy: auto", "strategy: ddp"),
    ):
        assert f"  {given}\n" in text
        text = text.replace(f"  {given}\n", f"  {other}\n")
    config.write_text(text)

    assert evaluate_run(trained_run) == known


def test_a_folder_has_no_say_in_what_is_trusted(trained_run):
    config = RunPaths(trained_run).config
    text = (
        config.read_text()
        .replace("lightsweep.models.ConvNet", "subprocess.run")
        .replace("trust: []", "trust: [subprocess]")
    )
    config.write_text(text)

    with pytest.raises(ConfigError, match=r"^`_target_: subprocess\.run` is not allowed"):
        load_trained(trained_run)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text('{"mean": 1')])
def test_a_description_that_is_gone_or_damaged_is_named(trained_run, spoil):
    spoil(RunPaths(trained_run).data)

    with pytest.raises(RunFolderError, match=r"data\.json"):
        load_trained(trained_run)
