"""A run folder or a checkpoint from a stranger runs nothing: it is refused in one line, by each command."""

import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from lightsweep import cli
from lightsweep.paths import RunPaths
from tests.test_cli import QUICK


class Payload:
    """What pickle would run on loading."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.system, (f"touch {self.witness}",)


def as_checkpoint(path, witness):
    torch.save({"state_dict": {}, "x": Payload(witness)}, path)


def as_old_checkpoint(path, witness):
    torch.save({"state_dict": {}, "x": Payload(witness)}, path, _use_new_zipfile_serialization=False)


def as_bare_pickle(path, witness):
    path.write_bytes(pickle.dumps(Payload(witness)))


def inside_a_good_one(path, witness):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, pickle.dumps(Payload(witness)) if name.endswith("data.pkl") else content)


def with_a_way_out(path, witness):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"../../../../../../../../{witness}", "x")
        archive.writestr("archive/data/../../../../escaped", "x")


@pytest.fixture(scope="module")
def finished(mnist_root, tmp_path_factory):
    """The folder of a run, made once."""
    from lightsweep.config.compose import compose
    from lightsweep.training import train

    folder = tmp_path_factory.mktemp("finished") / "run"
    train(compose([*QUICK, f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50"]), folder)
    return folder


@pytest.fixture
def strange(command, finished):
    """A copy of it in the present folder, `mine`."""
    shutil.copytree(finished, "mine")
    return RunPaths(Path("mine"))


COMMANDS = {
    "resume": (cli.train, ("resume=mine",)),
    "evaluate best": (cli.evaluate, ("run=mine",)),
    "evaluate last": (cli.evaluate, ("run=mine", "checkpoint=last")),
}


@pytest.mark.parametrize("how", [as_checkpoint, as_old_checkpoint, as_bare_pickle, inside_a_good_one])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_pickled_payload_is_not_run(command, strange, tmp_path, how, name):
    witness = tmp_path / "ran"
    for path in strange.checkpoints.iterdir():
        how(path, witness)
    function, arguments = COMMANDS[name]

    ended = command(function, *arguments)

    assert not witness.exists()
    assert ended.code == 2
    assert re.search(r"\.ckpt is (cut short or )?damaged.*|holds more than plain data", ended.line), ended.line


def test_names_in_an_archive_lead_nowhere(command, strange, tmp_path):
    with_a_way_out(strange.last, tmp_path / "ran")

    command(cli.train, "resume=mine")
    command(cli.evaluate, "run=mine", "checkpoint=last")

    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.rglob("*escaped*"))


def change(strange, **values):
    config = yaml.safe_load(strange.config.read_text())
    for key, value in values.items():
        *groups, last = key.split("__")
        node = config
        for group in groups:
            node = node[group]
        node[last] = value
    strange.config.write_text(yaml.safe_dump(config))


EVIL = {"_target_": "os.system", "command": "touch ran"}
CONFIGS = {
    "model": ({"model": EVIL}, r"`_target_: os\.system` is not allowed.*"),
    "model, trusting itself": ({"model": EVIL, "trust": ["os", "posix"]}, r"`_target_: os\.system` is not allowed.*"),
    "nested": ({"model__widths": [EVIL]}, r".*model\.widths.*"),
    "optimizer": ({"optimizer___target_": "os.system"}, r"`_target_: os\.system` is not allowed.*"),
    "scheduler": ({"scheduler": {**EVIL, "interval": "step"}}, r"`_target_: os\.system` is not allowed.*"),
    "data": ({"data___target_": "subprocess.run"}, r"`_target_: subprocess\.run` is not allowed.*"),
    "by our own path": (
        {"model": {"_target_": "lightsweep.files.os.system", "command": "touch ran"}},
        r"`_target_: lightsweep\.files\.os\.system` is not allowed.*",
    ),
    "a writing function": (
        {"model": {"_target_": "lightsweep.files.write_text", "path": "ran", "text": "x"}},
        r"`_target_: lightsweep\.files\.write_text` is not allowed: it is no model.*",
    ),
    "environment": ({"tags": ["${oc.env:HOME}"]}, r".*config\.yaml is damaged: `tags\.0` is .*"),
}
IN_TRAINING = {
    "callback": ({"callbacks": {"x": EVIL}}, r"`_target_: os\.system` is not allowed.*"),
    "logger": ({"logger": {"x": EVIL}}, r"`_target_: os\.system` is not allowed.*"),
    "logger outside": (
        {"logger": {"x": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "../ran"}}},
        r"`logger\.x\.save_dir` of mine/config\.yaml leads out of this folder: .* say it again: logger\.x\.save_dir=.*",
    ),
    "callback at home": (
        {"callbacks": {"x": {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "~/ran"}}},
        r"`callbacks\.x\.dirpath` of mine/config\.yaml leads out of this folder: .*",
    ),
    "logger abroad": (
        {"logger": {"x": {"_target_": "lightning.pytorch.loggers.MLFlowLogger", "tracking_uri": "http://evil"}}},
        r"`logger\.x\.tracking_uri` of mine/config\.yaml leads out of this folder: .*",
    ),
}


def assert_refused(ended, text, tmp_path):
    assert re.fullmatch(f"error: {text}", ended.line), ended.line
    assert ended.code == 2
    assert not list(tmp_path.parent.rglob("ran"))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_names_more_than_parts_of_a_run_is_refused(command, strange, tmp_path, case, name):
    values, text = CONFIGS[case]
    change(strange, **values)
    function, arguments = COMMANDS[name]

    assert_refused(command(function, *arguments), text, tmp_path)


@pytest.mark.parametrize("case", IN_TRAINING)
def test_a_config_that_writes_elsewhere_is_refused(command, strange, tmp_path, case):
    values, text = IN_TRAINING[case]
    change(strange, **values)

    assert_refused(command(cli.train, "resume=mine"), text, tmp_path)


def test_what_a_config_does_not_say_for_itself_the_user_can_say(command, strange, tmp_path, monkeypatch):
    (tmp_path / "my_net_trusted.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    change(strange, model={"_target_": "my_net_trusted.Net"}, trust=["my_net_trusted"])
    for path in strange.checkpoints.iterdir():
        path.unlink()

    refused = command(cli.train, "resume=mine")
    assert re.search(r"if you trust it, add its package: trust=\[my_net_trusted\]", refused.line)
    assert command(cli.train, "resume=mine", "trust=[my_net_trusted]").code == 0
    assert command(cli.evaluate, "run=mine", "trust=[my_net_trusted]").code == 0


def test_hydras_own_unpickling_is_refused(command, tmp_path):
    (tmp_path / "config.pickle").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))

    ended = command(cli.train, "--experimental-rerun", "config.pickle")

    assert_refused(ended, r"`--experimental-rerun` would unpickle a file.*", tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["callbacks"].clear(),
        lambda found: found.pop("files"),
        lambda found: found["state_dict"].popitem(),
        lambda found: found["state_dict"].update(x=torch.zeros(3)),
        lambda found: found["optimizer_states"].clear(),
        lambda found: found["loops"].clear(),
        lambda found: found.update(loops=3),
        lambda found: next(v for k, v in found["callbacks"].items() if k.startswith("Conductor")).pop("random"),
        lambda found: next(v for k, v in found["callbacks"].items() if k.startswith("Conductor")).update(stepper=[]),
        lambda found: next(v for k, v in found["callbacks"].items() if k.startswith("Conductor"))["random"][0].update(
            torch=1
        ),
    ],
)
def test_a_checkpoint_of_another_shape_is_one_line(command, strange, tmp_path, spoil):
    found = torch.load(strange.last, weights_only=True)
    spoil(found)
    strange.last.unlink()
    torch.save(found, strange.last)

    ended = command(cli.train, "resume=mine", "trainer.max_epochs=2")

    assert re.search(r"last\.ckpt (does not fit this run|is no checkpoint of a run).*", ended.line), ended.line
    assert ended.code == 2
