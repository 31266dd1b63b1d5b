"""What the commands say of a bad input: one line, and the exit code two or three."""

import json
import re
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from lightsweep import cli
from lightsweep.errors import ConfigError, RemoteTraceback
from lightsweep.paths import RunPaths
from tests.test_cli import QUICK

CONFIG_ALONE_SHOWS = {
    "unknown choice": (
        ["optimizer=admw"],
        r"`optimizer` must be one of .*adamw.* but got 'admw'; did you mean 'adamw'\?",
    ),
    "choice without a name": (["logger=null"], r"`logger=null`: `logger` is chosen by name; there are csv, [\w, ]*"),
    "flags of two minds": (["-m", "--cfg=job"], r"Only one of --run, --multirun, --cfg.*"),
    "flag without its other": (["--resolve"], r".*--resolve.* --cfg.*"),
    "flag of no use": (["--shell-completion", "x"], r".*'install'.*"),
    "setting as a flag": (
        ["--seed=1"],
        r"unrecognized arguments: --seed=1; settings have no dashes, as seed=1; did you mean 'seed'.*",
    ),
    "flag among settings": (
        ["seed=1", "--cfg", "job", "seed=2"],
        r"a flag stands between settings, which follow each other: put it before 'seed=2'",
    ),
    "wrong word of a flag": (["--cfg", "jobs"], r"argument --cfg.*'jobs'.*\); all flags: --hydra-help"),
    "search without -m": (["sweeps=lr_momentum"], r"a search takes -m: python train\.py -m sweeps=lr_momentum …; .*"),
    "launcher with a dot": (["hydra.launcher=joblib"], r"`hydra\.launcher=joblib`: .* as hydra/launcher=joblib"),
    "sweeper with a dot": (["-m", "hydra.sweeper=optuna", "seed=1,2"], r"`hydra.sweeper=.* as hydra/sweeper=optuna"),
    "unknown experiment": (["experiment=artcle"], r"`experiment` must be one of .*article.*; did you mean 'article'\?"),
    "unknown group": (["optimiser=adam"], r".*`?optimiser.*"),
    "unknown key": (["trainer.max_epoch=1"], r"`trainer\.max_epoch` is no known key; did you mean 'max_epochs'\?"),
    "added unknown key": (
        ["+trainer.max_epoch=1"],
        r"`trainer\.max_epoch` is no known key; did you mean 'max_epochs'\?",
    ),
    "lr nan": (["optimizer.lr=nan"], r"`optimizer\.lr` must be a finite number.* but got nan"),
    "no device": (["trainer.devices=0"], r"`trainer\.devices` must be in \[1, 4096\] or -1 but got 0"),
    "seed too large": (["seed=4294967296"], r"`seed` must be in \[0, 4294967296\) but got 4294967296"),
    "step size zero": (["scheduler=step", "scheduler.step_size=0"], r"`scheduler\.step_size` must be in \[1, inf\) .*"),
    "no digit": (["data=mnist_binary", "data.digits=[3,x]"], r"`data\.digits\.1` must be a whole number but got 'x'"),
    "metric": (["monitor=val/f1"], r"`monitor` names val/f1, which no model logs by itself: add metrics=f1"),
    "missing": (["data=csv"], r"`data\.path` is missing: .*"),
    "no base": (["~data.batch_size"], r"`data\.batch_size` is missing: .* `defaults: \[base, _self_\]`"),
    "malformed": (["optimizer.lr"], r"`optimizer\.lr` is no override like key=value.*"),
    "dangling": (["optimizer.lr=${nothing}"], r".*nothing.*"),
}


@pytest.mark.parametrize("case", CONFIG_ALONE_SHOWS)
def test_what_config_alone_shows_is_one_line_and_code_two(command, tmp_path, case):
    arguments, text = CONFIG_ALONE_SHOWS[case]

    ended = command(cli.train, *arguments)

    assert re.fullmatch(f"error: {text}", ended.line), ended.line
    assert (ended.code, ended.out) == (2, "")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not left, "a run that never began leaves nothing"


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_a_grid_is_checked_whole_before_its_first_job(command, tmp_path, launcher):
    ended = command(cli.train, *QUICK, "-m", "optimizer.momentum=0.5,1.5", f"hydra/launcher={launcher}")

    assert ended.line == "error: `optimizer.momentum` must be in [0, 1) but got 1.5"
    assert (ended.code, ended.out) == (2, "")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_value_that_only_its_job_knows_hinders_no_grid(command):
    ended = command(cli.train, *QUICK, "-m", "optimizer.lr=0.1,-0.2", "seed=${hydra:job.num}")

    assert "HydraConfig" not in ended.err
    assert ended.err.endswith("`optimizer.lr` must be in (0, inf) but got -0.2\n"), "the second job said it"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["hydra.run.dir=link/a"], "`hydra.run.dir`: link cannot be made: it is a link to what is not there; mend it"),
        (["hydra.run.dir=file/a"], "`hydra.run.dir`: file/a cannot be made: file is a file"),
        (["-m", "hydra.sweep.dir=link/a"], "`hydra.sweep.dir` link/a cannot be made: link is a link to what is not"),
        (["-m", "hydra.sweep.dir={here}/file/a"], "`hydra.sweep.dir` {here}/file/a cannot be made: {here}/file is a"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_with_what_is_in_its_way(command, tmp_path, words, text):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()

    ended = command(cli.train, *QUICK, *(word.format(here=tmp_path) for word in words))

    assert ended.line.startswith(f"error: {text.format(here=tmp_path)}")
    assert ended.code == 2


def test_a_file_that_a_job_of_another_process_misses_is_not_taken_for_the_place_of_its_outputs(command, monkeypatch):
    missed = JobReturn(status=JobStatus.FAILED)
    missed.return_value = FileNotFoundError(2, "No such file or directory", "weights.bin")
    missed._return_value.__cause__ = RemoteTraceback("the job's traceback")
    monkeypatch.setattr("lightsweep.launching.warm_server.shared_server", lambda preload: None)
    monkeypatch.setattr("lightsweep.launching.hydra_launch.launch", lambda *args, **kwargs: [missed])

    ended = command(cli.train, *QUICK, "-m", "seed=1,2", "hydra/launcher=local")

    assert "\nthe job's traceback\nerror: a run failed: FileNotFoundError: " in ended.err
    assert ended.code == 1


def test_what_config_alone_shows_needs_no_torch(process, tmp_path):
    code = """
import contextlib, io, json, sys
from lightsweep import cli
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        cli.train()
    print(sorted({"torch", "lightning", "torchvision", "optuna"} & set(sys.modules)), arguments)
"""
    cases = [arguments for arguments, _ in CONFIG_ALONE_SHOWS.values()] + [["--cfg", "job"], ["--help"]]

    found = process(["-c", code, json.dumps(cases)], tmp_path)

    lines = found.stdout.splitlines()
    assert lines == [f"[] {arguments}" for arguments in cases], found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.batch_size=551"], r"`data\.batch_size` must be at most the training split's 550 examples but got 551"),
        (["data.val_size=600"], r"`data\.val_size` must be below the 600 training examples but got 600"),
        (
            ["model=linear_regression"],
            r"`model=linear_regression` needs a number as target, but `data` has .*10 classes",
        ),
        (["data=line"], r"`model=softmax_regression` needs classes, but `data` has .*one number"),
        (["+optimizer.colour=1"], r"`optimizer\.colour` is no key of SGD, which takes .*"),
        (["+model.depth=3"], r"`lightsweep\.models\.SoftmaxRegression` could not be built: it takes no `depth`"),
        (["data=line", "model=linear_regression", "monitor=val/acc"], r"`monitor` must be one of .* but got 'val/acc'"),
        (["model._target_=os.system"], r"`_target_: os\.system` is not allowed: .*"),
        (["optimizer._target_=os.system"], r"`_target_: os\.system` is not allowed: .*"),
        (["+callbacks.mine._target_=os.system"], r"`_target_: os\.system` is not allowed: .*"),
    ],
)
def test_what_the_data_show_is_one_line_and_code_two(command, data, tmp_path, overrides, text):
    chosen = {word.partition("=")[0] for word in overrides}
    given = [word for word in (*QUICK, *data) if word.partition("=")[0] not in chosen]
    if "data" in chosen:
        given = [word for word in given if not word.startswith("data.root")]

    ended = command(cli.train, *given, *overrides)

    assert re.fullmatch(f"error: {text}", ended.line), ended.line
    assert (ended.code, ended.out) == (2, "")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_loss_that_diverges_ends_with_three(command):
    options = ("model=linear_regression", "data=line", "optimizer=sgd", "optimizer.lr=1e9", "trainer.accelerator=cpu")

    ended = command(cli.train, *options, "hydra.run.dir=mine")

    assert re.fullmatch(
        r"error: the training loss became inf at step 3 with lr 1e\+09; the last finite loss was .*", ended.line
    ), ended.line
    assert ended.code == 3
    result = json.loads(RunPaths(Path("mine")).result.read_text())
    assert (result["status"], result["steps"]) == ("diverged", 3)
    assert result["reason"] == ended.line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], r"`run` is missing: python evaluate\.py run=<folder of a run>"),
        (["run=nowhere"], r"`run` must be the folder of a run but nowhere has no config\.yaml"),
        (["run=."], r"`run` must be the folder of a run but \. has no config\.yaml"),
        (["rum=."], r"`rum` is no known key; did you mean 'run'\?"),
        (["."], r"`\.` is no known key; did you mean run=\.\?"),
        (["run=0010"], r"`run` must be the folder of a run but 0010 has no config\.yaml"),
        (["run=x #1"], r"`run` must be the folder of a run but x #1 has no config\.yaml"),
        (["run=[a]", "trust=[b]"], r"`run` must be the folder of a run but \[a\] has no config\.yaml"),
    ],
)
def test_a_run_folder_that_is_none_is_one_line(command, arguments, text):
    ended = command(cli.evaluate, *arguments)

    assert re.fullmatch(f"error: {text}", ended.line), ended.line
    assert ended.code == 2


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), r".*best\.ckpt is .*damaged.*"),
        (lambda path: path.write_bytes(b""), r".*best\.ckpt is .*damaged.*"),
        (lambda path: path.unlink(), r".*best\.ckpt is no checkpoint: there is no such file"),
    ],
    ids=["cut short", "empty", "gone"],
)
def test_a_checkpoint_that_cannot_be_used_is_one_line(command, data, spoil, text):
    assert command(cli.train, *QUICK, *data, "hydra.run.dir=mine").code == 0
    checkpoint = RunPaths(Path("mine")).best
    spoil(checkpoint)

    ended = command(cli.evaluate, "run=mine")

    assert re.fullmatch(f"error: {text}", ended.line), ended.line
    assert ended.code == 2


def test_a_strangers_run_folder_runs_nothing(command, data, tmp_path):
    assert command(cli.train, *QUICK, *data, "hydra.run.dir=mine").code == 0
    config = RunPaths(Path("mine")).config
    config.write_text(
        config.read_text().replace(
            "_target_: lightsweep.models.SoftmaxRegression", "_target_: os.system\n  command: touch ran"
        )
    )

    ended = command(cli.evaluate, "run=mine")

    assert re.fullmatch(r"error: `_target_: os\.system` is not allowed: .*", ended.line), ended.line
    assert ended.code == 2
    assert not (tmp_path / "ran").exists()


def test_a_model_from_elsewhere_is_not_even_imported(command, data, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("from pathlib import Path\n\nPath('ran').touch()\n\n\nclass Net: ...\n")
    monkeypatch.syspath_prepend(tmp_path)

    ended = command(cli.train, *QUICK, *data, "model._target_=elsewhere.Net")

    assert re.fullmatch(r"error: `_target_: elsewhere\.Net` is not allowed: .*", ended.line), ended.line
    assert not (tmp_path / "ran").exists()


def test_a_model_that_is_not_there_is_one_line(command, data):
    ended = command(cli.train, *QUICK, *data, "model._target_=torch.nn.Nope")

    assert ended.line == "error: `_target_: torch.nn.Nope` was not found: torch.nn has no Nope"
    assert (ended.code, ended.out) == (2, "")


def test_a_model_whose_module_has_a_mistake_is_one_line(command, data, tmp_path, monkeypatch):
    (tmp_path / "mistaken.py").write_text("from torch import nn\n\nclass Net(nn.Module:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    ended = command(cli.train, *QUICK, *data, "model._target_=mistaken.Net", "trust=[mistaken]")

    assert re.fullmatch(
        r"error: `_target_: mistaken\.Net` was not found, for its module cannot be imported: "
        r"SyntaxError: .*\(mistaken\.py, line 3\)",
        ended.line,
    ), ended.line


@pytest.mark.parametrize("overrides", [["trainer.devices=[5]"], ["trainer.devices=abc"], ["trainer.accelerator=mps"]])
def test_devices_that_are_not_there_are_one_line(command, data, overrides):
    ended = command(cli.train, *QUICK, *data, *overrides)

    assert re.match(r"error: `trainer\.accelerator=\w+` with `trainer\.devices=\S+`: ", ended.line), ended.line
    assert ended.code == 2


@pytest.mark.parametrize(
    ("overrides", "group"),
    [
        (["+optimizer.dampening=foo"], "optimizer"),
        (["optimizer=lbfgs", "+optimizer.line_search_fn=foo"], "optimizer"),
        (["scheduler=onecycle", "scheduler.total_steps=2"], "scheduler"),
    ],
)
def test_settings_that_torch_refuses_when_it_uses_them_are_one_line(command, data, overrides, group):
    ended = command(cli.train, *QUICK, *data, *overrides, "hydra.run.dir=mine")

    assert re.match(rf"error: `{group}` cannot go on with its settings: \w+", ended.line), ended.line
    assert ended.code == 2
    assert json.loads(RunPaths(Path("mine")).result.read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"filters": [4], "batch_norm": True}, "data.batch_size or model.filters, or model.batch_norm=false"),
        ({"widths": [4], "batch_norm": True}, "data.batch_size, or model.batch_norm=false"),
        ({"depth": 18}, "data.batch_size"),
    ],
)
def test_batch_normalisation_of_single_values_names_settings_that_the_model_has(settings, advice):
    from lightsweep.training.refusals import raise_if_refused

    refused = ValueError(
        "Expected more than 1 value per channel when training, got input size torch.Size([1, 4, 1, 1])"
    )

    with pytest.raises(ConfigError, match=rf"which has no variance: choose another {re.escape(advice)}$"):
        raise_if_refused(refused, OmegaConf.create({"model": settings}), first_step=True)


def test_a_run_that_needs_more_memory_than_there_is_is_one_line(command, data):
    ended = command(cli.train, *QUICK, *data, "model=mlp", "model.widths=[100000000000]", "hydra.run.dir=mine")

    assert re.match(r"error: the run needs more memory than there is: choose a smaller data\.batch_size", ended.line)
    assert ended.code == 2
