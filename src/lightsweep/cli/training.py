"""`train.py`: one run, a multirun, or a run that goes on.

Hydra composes, the schema checks, and only then is torch imported. A user's mistake is one line on stderr and exit
code 2; a bug keeps its traceback.
"""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

import lightsweep
from lightsweep import paths
from lightsweep.calling import called
from lightsweep.cli.ending import ended_by, ended_by_error
from lightsweep.cli.grid import (
    RESUMES,
    is_multirun,
    moved_multirun,
    refuse_multirun,
    resuming_command,
    resuming_words,
    runs_in_turn,
    started_for_itself,
    storage_failure,
)
from lightsweep.config import hydra_files
from lightsweep.config.check import check
from lightsweep.config.command_words import command_words
from lightsweep.config.elsewhere import meant_by_flag
from lightsweep.config.going_on import refuse_changes
from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.config.saved import read_config, read_result
from lightsweep.errors import (
    ConfigError,
    Interrupted,
    LightsweepError,
    RunFolderError,
    Signalled,
    StorageFailed,
    UserError,
    raised_below,
    raised_in,
)
from lightsweep.files import why_unwritten
from lightsweep.holding import is_held
from lightsweep.imports import LEAN, lean_imports
from lightsweep.output import Output
from lightsweep.sweeping.trial import killed_trial, within_sweep, within_trial

GOES_ON = "LIGHTSWEEP_GOES_ON"
"""Environment variable by which the other processes of a DDP run learn that it goes on from a checkpoint."""

_HYDRAS_FLAGS = ("hydra._internal.utils", "hydra._internal.hydra")
"""Where Hydra refuses flags that do not go together, by a ValueError."""


def train() -> None:
    """Compose a configuration from the command line, train, and print the summary."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through, and `ended_by` words them
    os.environ[LEAN] = "1"
    failures: list[Exception] = []
    begun: list[bool] = []
    words = sys.argv[1:]

    def task(cfg: DictConfig) -> Any:
        begun.append(True)
        try:
            return run(cfg, words)
        except (LightsweepError, HydraException, OmegaConfBaseException, Signalled) as raised:
            error = Interrupted(raised.signal_number) if isinstance(raised, Signalled) else raised
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                if isinstance(error, Interrupted):  # ends all runs, not this one alone
                    if within_sweep():  # which says how it goes on
                        sys.exit(error.exit_code)
                    error.hint = _hint_of_multirun(words)
                    ended_by_error(error)
                raise
            failures.append(error)  # Hydra would print a line of its own about it
            return None

    def command() -> None:
        prepare_hydra()
        if is_multirun(words):
            from lightsweep.launching.run_job import AGAIN, SAVE

            setattr(task, SAVE, hydra_files.save)
            setattr(task, AGAIN, partial(resuming_command, words))
        if any(word.startswith("resume=") for word in words) and not is_multirun(words):
            _resume()
        elif topics := [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("info=")]:
            from lightsweep.cli.info import print_info

            print_info(topics[-1])
        elif words == ["--version"]:
            print(f"lightsweep {lightsweep.__version__}, Hydra {hydra.__version__}")
        elif sys.argv[1:2] == ["doctor"]:
            from lightsweep.cli.doctor import print_findings

            print_findings(sys.argv[2:])
        else:
            sys.argv[1:] = command_words(resuming_words(words))
            _compose_for(task, begun, words)

    ended_by(command)
    for error in failures:
        ended_by_error(error)


def _compose_for(task: Callable[[DictConfig], Any], begun: Sequence[bool], words: Sequence[str]) -> None:
    """Let Hydra read the command line and run the task; `begun` tells whether it came to that, `words` are as given."""
    if any(argument.startswith("--experimental-rerun") for argument in sys.argv[1:]):
        raise ConfigError("`--experimental-rerun` would unpickle a file, which can run anything: use resume=<folder>")
    _check_flags()
    if is_multirun(sys.argv[1:]) and "TORCHELASTIC_RUN_ID" in os.environ and os.environ["WORLD_SIZE"] != "1":
        raise ConfigError("torchrun starts one run, and -m is several: leave torchrun out and give trainer.devices")
    try:
        hydra.main(config_path=str(paths.conf_dir()), config_name="train", version_base="1.3")(task)()
    except MissingConfigException:  # an OSError too, but `explain` has a better word for it
        raise
    except (OSError, StorageFailed) as error:
        if (failure := storage_failure(error, words)) is not None:
            raise failure from None
        if begun or isinstance(error, StorageFailed) or (refusal := _hydras_own(error)) is None:
            raise
        raise refusal from None
    except ValueError as error:
        if begun or raised_in(error) not in _HYDRAS_FLAGS:
            raise
        raise ConfigError(str(error)) from None


def _hydras_own(error: OSError) -> UserError | None:
    """What Hydra could not read or write for a run that never began; None for an error of what a job calls."""
    if error.filename is None:
        return None
    if raised_below(error, "hydra", "run_job"):
        setting = "sweep" if is_multirun(sys.argv[1:]) else "run"
        return RunFolderError(f"`hydra.{setting}.dir`: {error.filename} {why_unwritten(error, Path(error.filename))}")
    if raised_below(error, "hydra", "compose_config"):
        return ConfigError(f"{error.filename} cannot be read: {error.strerror}")
    return None


def _check_flags() -> None:
    """Raise ConfigError for what Hydra's parser would answer with its usage, of many lines."""

    def refuse(message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message and not unknown.startswith("-"):
            raise ConfigError(f"a flag stands between settings, which follow each other: put it before {unknown!r}")
        hint = f"; settings have no dashes, as seed=1{meant_by_flag(unknown.split()[0])}" if unknown != message else ""
        raise ConfigError(f"{message}{hint}; all flags: --hydra-help")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args()


def _hint_of_multirun(words: Sequence[str]) -> str:
    """How the multirun of the present run goes on; empty where a launcher waits for its jobs, and tells it itself."""
    unheard = Output.is_closed  # what the launcher prints
    return f"; to go on: {resuming_command(words, HydraConfig.get().sweep.dir)}" if runs_in_turn() or unheard else ""


def run(cfg: DictConfig, words: Sequence[str] = ()) -> Any:
    """One run within Hydra: returns the monitored metric, for a sweeper.

    Args:
        cfg: what Hydra composed.
        words: the command line as it was given; empty where it is another program's.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    if within_sweep():  # which has a line for each trial; what the trial says goes into its folder
        with paths.RunPaths(folder).log.open("a", encoding="utf-8") as log, redirect_stdout(log):
            return _train_in(cfg, folder, _goes_on(folder))
    try:
        _refuse_search(words)
        _refuse_moved(folder)
        with _told_apart(), started_for_itself(folder) if words else nullcontext():
            value = _train_in(cfg, folder, _goes_on(folder))
        from lightning.pytorch.utilities import rank_zero_only

        if getattr(rank_zero_only, "rank", 0) > 0:  # Hydra made a folder for it, where torchrun or srun started it
            _discard_untouched(folder, paths.RunPaths(folder).lock.name)
        return value
    except (UserError, Signalled):
        _discard_untouched(folder)
        raise
    finally:
        hydra_files.forget_waiting()


def _told_apart() -> AbstractContextManager[None]:
    """What a run prints while others run beside it names it in each line."""
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        return nullcontext()
    from lightsweep.launching.labelled_output import is_beside_others, labelled

    return labelled(f"job {HydraConfig.get().job.num}: ") if is_beside_others() else nullcontext()


def _refuse_search(words: Sequence[str]) -> None:
    """Raise ConfigError where a single run was asked for a search, which would have no part in it.

    The file of a search's best trial may name the search too, for what that sets besides.
    """
    hydra_config = HydraConfig.get()
    search = hydra_config.runtime.choices.get("sweeps")
    repeats_words = "LOCAL_RANK" in os.environ  # a rank those of its job
    if search is None or hydra_config.mode != RunMode.RUN or repeats_words:
        return
    given = [word.lstrip("+").rstrip("'\"") for word in words]
    if any(word.startswith(("sweeps=", "experiment=")) and not word.endswith((".yaml", ".yml")) for word in given):
        raise ConfigError(
            f"a search takes -m: {' '.join(called())} -m sweeps={search} …; without it there is a single run"
        )


def _refuse_moved(folder: Path) -> None:
    """Raise StorageFailed where the run's multirun is gone: this run and the next would be another multirun there.

    Args:
        folder: what was made for the run at the old place.
    """
    multirun = moved_multirun()
    if multirun is None:
        return
    _discard_untouched(folder)
    for above in folder.parents:
        if above.is_relative_to(multirun):
            with suppress(OSError):  # it holds something
                above.rmdir()
    raise StorageFailed(f"{multirun} can no longer be written: it was moved or deleted")


def _goes_on(folder: Path) -> bool:
    """Whether the run goes on from a checkpoint: its own where its job or multirun is started again, or its trial's.

    A trial that was killed is run again under another number, and so in another folder; what is seen of the first one's
    is copied, the checkpoint whole and last of all: it says that there is all that it goes on from.
    """
    from lightsweep.launching.remote import ATTEMPT

    before = killed_trial()
    if before is not None and paths.RunPaths(before.folder).last.is_file():
        run = paths.RunPaths(folder)
        shutil.copytree(before.folder, folder, dirs_exist_ok=True, ignore=run.not_carried)
        shutil.copy2(paths.RunPaths(before.folder).last, run.next)
        os.replace(run.next, run.last)
    started_again = not within_trial() and os.environ.get(ATTEMPT, "0") != "0"
    given_again = not within_sweep() and RESUMES in os.environ
    lost = before is not None or started_again or given_again
    return GOES_ON in os.environ or (lost and paths.RunPaths(folder).last.is_file())


def _train_in(cfg: DictConfig, folder: Path, resume: bool) -> Any:
    check(cfg, finished=resume)
    if resume:
        refuse_changes(cfg, paths.RunPaths(folder))
    lean_imports()
    from lightsweep.reporting.summary import print_summary
    from lightsweep.training import train as train_run
    from lightsweep.training.clock import Clock

    callbacks = []
    if within_trial():
        from lightsweep.sweeping.own_trial import OwnTrial

        cfg.test = False  # what a sweep ranks never sees the test set
        callbacks.append(OwnTrial(cfg.objectives, cfg.monitor))
    alone = not HydraConfig.initialized() or HydraConfig.get().mode == RunMode.RUN
    # what a command does once for all its runs is none's: in the first one's seconds it would be compared with the rest
    clock = None if alone else Clock()
    with env_override({GOES_ON: "1"} if resume else {}):
        result = train_run(cfg, folder, resume, callbacks, clock)
    print_summary(result, cfg, alone)
    for callback in callbacks:
        callback.raise_if_pruned()
        if result.monitored is None and "monitor" in cfg.objectives:
            raise ConfigError(f"`monitor`: {result.monitor} was never a finite number, so there is nothing to rank by")
    return result.objectives(cfg.objectives)


def _resume() -> None:
    """`resume=<folder>|last [key=value …]`: go on with a run, in its folder and by its own configuration."""
    changes = [word for word in sys.argv[1:] if not word.startswith("resume=")]
    folder = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("resume=")][-1]
    found = newest_unfinished(Path("outputs")) if folder == "last" else Path(folder)
    refuse_multirun(found)
    cfg = read_config(paths.RunPaths(found), changes)
    hydra_files.save_further(paths.RunPaths(found.absolute()), changes)
    try:
        _train_in(cfg, found, resume=True)
    finally:
        hydra_files.forget_waiting()


def newest_unfinished(outputs: Path) -> Path:
    """The run below a folder that was written to last, of those that ended early and can go on.

    Passed over are runs that another process writes, those of a search, which goes on itself, and what is damaged.

    Raises:
        RunFolderError: there is none.
    """
    results = sorted(outputs.rglob(paths.RunPaths(outputs).result.name), key=lambda path: path.stat().st_mtime)
    found = next((path.parent for path in reversed(results) if _can_go_on(paths.RunPaths(path.parent))), None)
    if found is None:
        raise RunFolderError(f"{outputs} holds no run that is unfinished; name a folder: resume=<folder>")
    return found


def _can_go_on(run: paths.RunPaths) -> bool:
    from lightsweep.reporting.runs import kind_of

    try:
        status = read_result(run).get("status")
    except RunFolderError:
        return False
    stopped = status in ("running", "interrupted") or (status == "failed" and run.last.is_file())
    free = not is_held(run.lock) and os.access(run.folder, os.W_OK)
    return stopped and run.config.is_file() and kind_of(run.folder) == "run" and free


def _discard_untouched(folder: Path, *besides: str) -> None:
    """Remove the folder that Hydra made for a run that never began; files of the names `besides` count for nothing."""
    names = {paths.RunPaths(folder).hydra.name, *besides}
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= names:
        shutil.rmtree(folder, ignore_errors=True)  # a folder that cannot be written is why the run never began
