"""Callbacks: what is none, what a run cannot serve, and what Lightning refuses are one line; a bug in one is not."""

from csv import DictReader

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback, RichProgressBar, StochasticWeightAveraging, Timer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightsweep import train
from lightsweep.errors import ConfigError, Interrupted

QUICK = ("model=softmax_regression", "trainer.limit_train_batches=2", "test=false")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            "torch.nn.Identity",
            r"^`callbacks\.mine` must be a Lightning Callback but a torch.*Identity is none$",
        ),
        ("StochasticWeightAveraging, swa_lrs: 0.1", r"^`callbacks\.mine` cannot be a Stoch.* here: trainer\.ema_decay"),
        ("GradientAccumulationScheduler, scheduling: {0: 2}", r"cannot be a Grad.*: trainer\.accumulate_grad_batches"),
        ("LearningRateFinder", r"cannot be a LearningRateFinder here: a sweep over optimizer\.lr"),
        ("BatchSizeFinder", r"cannot be a BatchSizeFinder here: data\.batch_size"),
        ("RichProgressBar", r"cannot be a RichProgressBar here: .*trainer\.print_loss=true"),
        ("Timer, duration: soon", r"^`lightning.*Timer` could not be built: .*'soon'\)` is not a valid duration"),
        (
            "LearningRateMonitor",
            r"^Lightning refuses the run's settings: Cannot use `LearningRateMonitor`",
        ),
        ("EarlyStopping, monitor: val/f1", r"^Lightning refuses the run's settings: .*`val/f1` which is not available"),
        ("ModelCheckpoint, monitor: val/f1", r"^Lightning refuses the run's settings: .*val/f1.* could not find"),
    ],
)
def test_a_callback_that_a_run_cannot_have_is_one_line(run, target, text):
    known = target if "." in target.partition(",")[0] else f"lightning.pytorch.callbacks.{target}"

    with pytest.raises(ConfigError, match=text) as refused:
        run(*QUICK, f"+callbacks.mine={{_target_: {known}}}")

    assert "\n" not in str(refused.value)


class Bar(RichProgressBar):
    """Somebody's own."""


class Clips(Callback):
    def on_before_optimizer_step(self, trainer, pl_module, optimizer): ...


@pytest.mark.parametrize(
    ("callbacks", "text"),
    [
        ([object()], r"^`callbacks\[0\]` must be a Lightning Callback but a builtins\.object is none$"),
        ([Callback], r"^`callbacks\[0\]` must be an object but got a class: give Callback\(…\)$"),
        (Callback(), r"^`callbacks` must be a list of Lightning's Callbacks but got <"),
        ([Callback(), StochasticWeightAveraging(0.1)], r"^`callbacks\[1\]` cannot be a StochasticWeightAveraging here"),
        ([Bar()], r"^`callbacks\[0\]` cannot be a RichProgressBar here"),
        ([Clips()], r"^`callbacks\[0\]` has on_before_optimizer_step, which is never called, .*trainer\.inner_steps=1"),
        ([LambdaCallback(on_after_backward=print)], r"^`callbacks\[0\]` has on_after_backward, which is never called"),
    ],
)
def test_pythons_callbacks_are_checked_before_a_folder_is_made(compose, tmp_path, callbacks, text):
    with pytest.raises(ConfigError, match=text):
        train(compose(*QUICK), tmp_path / "run", callbacks=callbacks)

    assert not (tmp_path / "run").exists()


def test_early_stopping_without_patience_waits_for_the_first_validation_that_is_no_better(compose, tmp_path):
    stops = EarlyStopping("val/loss", min_delta=100.0, patience=0)

    assert train(compose(*QUICK, "trainer.max_epochs=5"), tmp_path / "run", callbacks=[stops]).epochs == 2

    assert train(compose(*QUICK, "trainer.max_epochs=5"), tmp_path / "run", True, callbacks=[stops]).epochs == 2


@pytest.mark.parametrize("test", ["true", "false"])
def test_a_run_that_a_callback_ends_before_its_first_step_is_one_line(compose, tmp_path, test):
    with pytest.raises(ConfigError, match=r"^a callback ended the run before its first step"):
        train(compose(*QUICK[:-1], f"test={test}"), tmp_path / "run", callbacks=[Timer({"seconds": 0})])


class Wrong(Callback):
    def on_train_start(self, trainer, pl_module):
        raise MisconfigurationException("mine")


def test_a_bug_in_a_callback_stays_what_it_is(compose, tmp_path):
    with pytest.raises(MisconfigurationException, match=r"^mine$"):
        train(compose(*QUICK), tmp_path / "run", callbacks=[Wrong()])


class Logs(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.log("mine/chunk", float(pl_module.stepper.steps))

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("mine/validation", float(pl_module.stepper.steps))

    def on_train_epoch_end(self, trainer, pl_module):
        self.log("mine/epoch", float(pl_module.stepper.steps))


def test_what_a_callback_logs_stands_at_the_optimizer_step_of_its_logging(compose, tmp_path, stop_after):
    cfg = compose("model=softmax_regression", "trainer.max_epochs=2", "trainer.inner_steps=2", "logger=csv",
                  "test=false")  # fmt: skip
    stop_after(13)  # 11 an epoch

    with pytest.raises(Interrupted, match="signal 15"):
        train(cfg, tmp_path / "run", callbacks=[Logs()])
    train(cfg, tmp_path / "run", resume=True, callbacks=[Logs()])

    texts = [file.read_text() for file in sorted((tmp_path / "run").glob("csv/*/metrics.csv"))]
    rows = [row for text in texts for row in DictReader(text.splitlines())]
    for name, steps in (("chunk", {2, 11, 22}), ("validation", {11, 22}), ("epoch", {11, 22})):
        found = [(float(row[f"mine/{name}"]), float(row["step"])) for row in rows if row[f"mine/{name}"]]
        assert all(value == step for value, step in found), found
        assert {value for value, _ in found} >= steps
