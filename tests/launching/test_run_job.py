"""Our `run_job` beside Hydra's, on the same configurations."""

import logging
import os
import shutil

import pytest
import yaml
from hydra import compose, initialize
from hydra._internal.callbacks import Callbacks
from hydra.core import utils
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import OmegaConf

from lightsweep.launching.run_job import BARE, run_job

PLAIN = ("+optimizer.lr=1e-3", "+name=${hydra:job.name}", "+wide='${optimizer.lr} or ${hydra:job.num}'")
JOB = ("hydra.job.num=3", "hydra.job.id=three", "hydra.job.name=app", "+hydra.job.env_set.A_WORD=yes")


@pytest.fixture(autouse=True)
def logging_kept():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in logging.root.handlers:
        handler.close()
    logging.root.handlers, logging.root.level = handlers, level


class Seen(Callback):
    def __init__(self):
        self.calls = []

    def on_job_start(self, config, **kwargs):
        self.calls.append(("start", config.hydra.runtime.output_dir, config.optimizer.lr, os.environ["A_WORD"]))

    def on_job_end(self, config, job_return, **kwargs):
        of_hydra = job_return.hydra_cfg.hydra.job.num
        self.calls.append(("end", job_return.status, job_return.task_name, of_hydra, os.environ.get("A_WORD")))


def look_around(cfg):
    hydra = HydraConfig.get()
    logging.getLogger(__name__).debug("a word from the job")
    assert OmegaConf.is_readonly(hydra)
    with pytest.raises(Exception, match="not in struct"):
        cfg.unknown = 1
    cfg.optimizer.lr = 0.5
    return (
        OmegaConf.to_container(cfg, resolve=True),
        hydra.runtime.output_dir,
        hydra.job.id,
        os.environ["A_WORD"],
        os.getcwd(),
    )


def fail(cfg):
    raise ValueError("a bug")


def hydras(task, config, callbacks):
    return utils.run_job(task, config, "hydra.sweep.dir", "hydra.sweep.subdir", HydraContext(None, callbacks))


def ended(run, task, overrides, folder):
    """All that can be told of a job: its JobReturn, its files, what its callbacks saw."""
    shutil.rmtree(folder, ignore_errors=True)
    with initialize(config_path=None, version_base="1.3"):
        config = compose(overrides=[*PLAIN, *JOB, f"hydra.sweep.dir={folder}", *overrides], return_hydra_config=True)
    callbacks, before, start = Callbacks(), HydraConfig.instance().cfg, os.getcwd()
    callbacks.callbacks.append(Seen())
    result = run(task, config, callbacks)
    assert (HydraConfig.instance().cfg, os.getcwd(), "A_WORD" in os.environ) == (before, start, False)
    told = (result.status, repr(result._return_value), list(result.overrides), result.working_dir, result.task_name)
    files = {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    texts = {
        name: yaml.safe_load(text) if name.suffix == ".yaml" else text.partition("]")[2] for name, text in files.items()
    }
    return told, OmegaConf.to_container(result.cfg), texts, callbacks.callbacks[0].calls


@pytest.mark.parametrize("task", [look_around, fail])
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("hydra.sweep.subdir=.", "hydra.output_subdir=null"),
        ("hydra.job.chdir=true", "hydra.verbose=true"),
        ("hydra.sweep.subdir=${name}/${hydra.job.num}", "hydra.verbose=[__main__]"),
    ],
)
def test_a_job_ends_as_hydras_own_would(task, overrides, tmp_path):
    folder = tmp_path / "sweep"
    assert ended(run_job, task, overrides, folder) == ended(hydras, task, overrides, folder)


def test_a_bare_task_gets_the_whole_configuration(tmp_path):
    def task(cfg):
        return cfg.hydra.job.num

    setattr(task, BARE, True)
    told, *_ = ended(run_job, task, ("hydra.output_subdir=null",), tmp_path)
    assert told[:2] == (JobStatus.COMPLETED, "3")
