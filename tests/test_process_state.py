"""What a process has one of: kept from other threads, and put back."""

import logging
import logging.config
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback

from lightsweep import evaluate, train
from lightsweep.errors import ConfigError
from lightsweep.process_state import ProcessLock, alone, environment_kept, logging_kept


def _train():
    with alone():
        return "trained"


def test_of_two_threads_that_train_the_second_is_refused():
    with ThreadPoolExecutor(1) as other:
        with alone():
            assert _train() == "trained", "a callback may evaluate another run"
            with pytest.raises(ConfigError, match=r"^another run trains in this process, .*: use processes"):
                other.submit(_train).result()
        assert other.submit(_train).result() == "trained"


def test_a_forked_process_has_a_lock_of_its_own(monkeypatch):
    lock = ProcessLock()
    here = lock.of_this_process()
    assert lock.of_this_process() is here
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert lock.of_this_process() is not here


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("LIGHTSWEEP_A", "before")
    with environment_kept("LIGHTSWEEP_A", "LIGHTSWEEP_B", "LIGHTSWEEP_C"):
        os.environ |= {"LIGHTSWEEP_A": "within", "LIGHTSWEEP_B": "within"}

    assert os.environ["LIGHTSWEEP_A"] == "before"
    assert not {"LIGHTSWEEP_B", "LIGHTSWEEP_C"} & set(os.environ)


def test_logging_is_put_back(tmp_path):
    root, mine = logging.getLogger(), logging.getLogger("lightsweep.test_process_state")
    file = logging.FileHandler(tmp_path / "own.log", "w")
    file.set_name("own")
    root.addHandler(file)
    root.setLevel("ERROR")
    mine.error("before")
    handlers = list(root.handlers)
    settings = {
        "version": 1,
        "handlers": {"theirs": {"class": "logging.FileHandler", "filename": str(tmp_path / "theirs.log")}},
        "root": {"level": "DEBUG", "handlers": ["theirs"]},
    }

    with logging_kept():
        logging.config.dictConfig(settings)
        theirs = root.handlers[0]

    mine.error("after")
    assert (root.level, root.handlers, mine.disabled) == (logging.ERROR, handlers, False)
    assert (tmp_path / "own.log").read_text() == "before\nafter\n"
    assert theirs.stream is None
    assert logging._handlers["own"] is file
    file.close()


def test_what_a_run_keeps_back_of_warnings_and_loggers_is_shown_again_after_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filters, loggers = (
        list(warnings.filters),
        [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")],
    )
    levels = [logger.level for logger in loggers]

    train(["data=line", "model=linear_regression", "logger=none", "trainer.max_epochs=1"], "run")
    evaluate("run")

    assert [logger.level for logger in loggers] == levels
    assert warnings.filters == filters


def test_what_a_run_sets_for_all_of_torch_is_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    seen = []

    class Looks(Callback):
        def on_train_end(self, trainer, pl_module):
            seen.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))

    train(
        ["data=line", "model=linear_regression", "logger=none", "trainer.threads=2", "trainer.max_epochs=1"],
        callbacks=[Looks()],
    )

    assert seen == [(2, False)], "in the run its own settings hold"
    assert (torch.get_num_threads(), torch.is_deterministic_algorithms_warn_only_enabled()) == (1, True)
    train(["data=line", "model=linear_regression", "logger=none", "trainer.deterministic=true", "trainer.max_epochs=1"])
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


@pytest.mark.parametrize("around", ["float64", "meta", "no_grad", "inference", "autocast"])
def test_what_the_caller_has_set_of_tensors_does_not_hold_for_a_run_and_holds_after_it(tmp_path, monkeypatch, around):
    monkeypatch.chdir(tmp_path)
    words = ["data=line", "model=linear_regression", "logger=none", "trainer.max_epochs=1"]
    alone = train(words).metrics
    modes = {"no_grad": torch.no_grad, "inference": torch.inference_mode, "autocast": partial(torch.autocast, "cpu")}
    mode = modes.get(around, nullcontext)
    try:
        if around == "float64":
            torch.set_default_dtype(torch.float64)
        if around == "meta":
            torch.set_default_device("meta")
        with mode():
            before = _of_tensors()
            assert train(words).metrics == alone
            assert _of_tensors() == before
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def _of_tensors():
    kept = torch.get_default_dtype(), torch.get_default_device()
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
    return *kept, *modes
