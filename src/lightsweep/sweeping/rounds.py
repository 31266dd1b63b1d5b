"""Rounds of jobs: the launcher is handed jobs until a sweep's trials, and then its re-runs, are done.

What happened is read from the study, never from what the launcher returns: it gathers returns in order, and a job that
was killed has none.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import optuna
from hydra.plugins.launcher import Launcher

from lightsweep.launching import JobDied
from lightsweep.screen import draws, many
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import count_interruptions, may_start, release_orphans
from lightsweep.sweeping.crew import Crew, quiet, raise_first_error, raise_if_disk_is_full
from lightsweep.sweeping.job import TrialJob
from lightsweep.sweeping.patient_storage import is_connection_loss, patient_until_interrupted
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.progress import Progress, finished_reruns, finished_trials
from lightsweep.sweeping.rerun import Rerun, RerunJob, results_of, unfinished
from lightsweep.sweeping.rerun_report import write_rerun_tables
from lightsweep.sweeping.storage import taking_turns
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.task_run import TaskRun

log = logging.getLogger(__name__)


def run_trials(study: optuna.Study, plan: Plan, crew: Crew, job: TrialJob) -> None:
    """Hand out jobs until the sweep needs no more; those that were killed are made up for in the next round.

    Of a round that began no trial, as its jobs were killed before, there is one more.
    """
    launcher = crew.launcher(job)
    index, is_second = 0, False
    with _shown(study, plan, launcher), quiet(launcher), patient_until_interrupted():
        while (wanted := _wanted(study, plan)) > 0:  # no job of this sweep runs here
            before = counted(study)
            returns = crew.launch(launcher, wanted, index)
            index += len(returns)
            raise_if_disk_is_full(returns)
            if counted(study).created > before.created:
                is_second = False
            elif is_second or not any(isinstance(returned._return_value, JobDied) for returned in returns):
                raise_first_error(returns)
                return  # jobs found nothing to do
            else:
                is_second = True


def _wanted(study: optuna.Study, plan: Plan) -> int:
    """Trials to start now; orphans are queued again first, and the running trials of other sweeps are left to them."""
    with taking_turns(plan.storage, plan.folder):
        release_orphans(plan, jobs_ended=True)
        count_interruptions(plan)
    counts = counted(study)
    if not may_start(plan, counts, *study_storage(plan)):
        return 0
    return plan.n_trials - counts.counted - counts.running


def counted(study: optuna.Study) -> marks.TrialCounts:
    """How many trials a study has of each kind."""
    return marks.count(study.get_trials(deepcopy=False))


def _shown(study: optuna.Study, plan: Plan, launcher: Launcher) -> Progress:
    """A live view where there is a terminal that jobs do not draw on themselves, else a line a trial."""
    from rich.console import Console

    console = Console()
    in_process = type(launcher).__name__ == "BasicLauncher"
    if not plan.live or not draws(console) or in_process:
        return Progress(finished_trials(plan))
    from lightsweep.sweeping.live_view import LiveView

    return LiveView(study, plan, launcher, console)


def run_again(reruns: Sequence[Rerun], study: optuna.Study, plan: Plan, crew: Crew, task: TaskRun) -> None:
    """Run the best settings on fresh seeds and write their tables, whoever made the runs.

    Those that were killed have one more round each as long as any finishes.
    """
    with closed_by(lambda _: write_rerun_tables(reruns, study, plan)):
        missing, index = unfinished(reruns, plan), 0
        if not missing:
            return
        print(
            f"running {many(len(reruns), 'time')} again on fresh seeds: {len(reruns) - len(missing)} done", flush=True
        )
        job = RerunJob(plan, task, reruns, crew.share)
        launcher = crew.launcher(job)
        with Progress(finished_reruns(reruns, plan)), quiet(launcher), patient_until_interrupted():
            while missing:
                before, kept = len(missing), results_of(reruns, plan)
                returns = crew.launch(launcher, before, index)
                index += len(returns)
                job.release()
                raise_if_disk_is_full(returns)
                if results_of(reruns, plan) == kept:
                    raise_first_error(returns)
                missing = unfinished(reruns, plan)
                if len(missing) == before:
                    return


@contextmanager
def closed_by(close: Callable[[BaseException | None], None]) -> Iterator[None]:
    """Call `close` with what has ended the body; that it can write no file does not hide the body's own error."""
    try:
        yield
    except BaseException as end:
        try:
            close(end)
        except Exception as error:
            is_away = is_connection_loss(error)
            if not is_away and not isinstance(error, OSError):
                raise
            why = "its server does not answer" if is_away else error
            log.warning(f"the files about the trials are not as new as the study: {why}")
        raise
    close(None)
