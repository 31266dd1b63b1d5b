"""Callbacks: what is none, what a run cannot serve, and what Lightning refuses are one line; a bug in one is not."""

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import RichProgressBar, StochasticWeightAveraging
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightsweep import train
from lightsweep.errors import ConfigError

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


@pytest.mark.parametrize(
    ("callbacks", "text"),
    [
        ([object()], r"^`callbacks\[0\]` must be a Lightning Callback but a builtins\.object is none$"),
        (Callback(), r"^`callbacks` must be a list of Lightning's Callbacks but got <"),
        ([Callback(), StochasticWeightAveraging(0.1)], r"^`callbacks\[1\]` cannot be a StochasticWeightAveraging here"),
        ([Bar()], r"^`callbacks\[0\]` cannot be a RichProgressBar here"),
    ],
)
def test_pythons_callbacks_are_checked_before_a_folder_is_made(compose, tmp_path, callbacks, text):
    with pytest.raises(ConfigError, match=text):
        train(compose(*QUICK), tmp_path / "run", callbacks=callbacks)

    assert not (tmp_path / "run").exists()


class Wrong(Callback):
    def on_train_start(self, trainer, pl_module):
        raise MisconfigurationException("mine")


def test_a_bug_in_a_callback_stays_what_it_is(compose, tmp_path):
    with pytest.raises(MisconfigurationException, match=r"^mine$"):
        train(compose(*QUICK), tmp_path / "run", callbacks=[Wrong()])
