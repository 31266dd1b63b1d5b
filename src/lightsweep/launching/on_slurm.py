"""Errands as the tasks of SLURM job arrays, by submitit; its local executor runs them on this machine for tests.

Whether a job still lives is asked of `squeue`, which every SLURM has; submitit asks `sacct`, which needs accounting.
"""

import io
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from lightsweep.errors import ConfigError, lines_of
from lightsweep.files import write_bytes
from lightsweep.launching.outcome import JobDied, JobFailed, Outcome, read_answer
from lightsweep.launching.remote import Errand
from lightsweep.paths import SubmissionPaths
from lightsweep.screen import many

log = logging.getLogger(__name__)

LATE_S = 20.0
"""How long a network file system may hide the answer of a job that has left the queue."""

_FEWER = (
    "; {} jobs may be more than its MaxArraySize: let each run several trials by hydra.sweeper.trials_per_job, or "
    "give a grid in parts"
)


class SlurmCarrier:
    """A `Carrier` by SLURM.

    Args:
        cluster: `slurm`, or `local` for processes of this machine.
        folder: for submitit's files; all nodes must see it.
        parameters: those of submitit's executors that are not None.
        poll_s: seconds between two looks at the queue.

    Raises:
        ConfigError: SLURM's commands are not here, or submitit does not take a parameter.
    """

    def __init__(self, cluster: str, folder: Path, parameters: Mapping[str, Any], poll_s: float) -> None:
        import submitit

        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise ConfigError("`hydra/launcher=slurm` needs the commands sbatch, squeue and scancel on this machine")
        self.cluster, self.poll_s = cluster, poll_s
        self.paths = SubmissionPaths(folder)
        self._executor = submitit.AutoExecutor(self.paths.jobs, cluster=cluster, slurm_max_num_timeout=0)
        shared = {"timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "name"}
        named = {name if name in shared else f"slurm_{name}": value for name, value in parameters.items()}
        try:
            self._executor.update_parameters(**named)
        except (NameError, ValueError, TypeError) as error:
            raise ConfigError(f"`hydra.launcher` has a setting that submitit refuses: {_one_line(error)}") from None
        self._last_seen: dict[Any, float] = {}
        # not told: that of a job that SLURM has not looked at yet, and of one whose array's last jobs have just ended
        self._told_reasons = {"None", "JobArrayTaskLimit"}
        self._late_s = LATE_S if cluster == "slurm" else 0.0

    def send(self, errands: Sequence[Errand]) -> Sequence[Any]:
        """Submit one array; the function, the same for all, is written once.

        Raises:
            ConfigError: SLURM does not take the array.
        """
        light = []
        for errand in errands:
            assert isinstance(errand.function, bytes)
            file = self.paths.function(errand.function)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(file, errand.function)
            light.append(replace(errand, function=file))
        said = io.StringIO()  # submitit prints what it then raises
        try:
            with redirect_stderr(said):
                jobs = self._executor.map_array(_perform, light)
        except Exception as error:
            failed = getattr(error, "stderr", None) or str(error)
            advice = _FEWER.format(len(light)) if "Invalid job array" in failed else ""
            raise ConfigError(f"SLURM refused the jobs: {_one_line(failed)}{advice}") from None
        sys.stderr.write(said.getvalue())
        now = time.monotonic()
        self._last_seen.update((job, now) for job in jobs)
        log.info(f"Launching {many(len(jobs), 'job')} as SLURM job {str(jobs[0].job_id).partition('_')[0]}")
        return jobs

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Outcome]:
        """Jobs with an answer, and those that left the queue without one."""
        time.sleep(self.poll_s)
        open_jobs = [job for job in handles if not job.paths.result_pickle.exists()]
        there = self._queued(open_jobs) if open_jobs else set()
        now = time.monotonic()
        self._last_seen.update((job, now) for job in open_jobs if job.job_id in there)
        lost = {job for job in open_jobs if now - self._last_seen[job] > self._late_s}
        still = set(open_jobs) - lost
        return {job: self._outcome(job) for job in handles if job not in still}

    def cancel(self, handles: Sequence[Any], kill: bool) -> None:
        """SLURM sends SIGTERM, and SIGKILL after its KillWait; the local executor's processes get either from here."""
        self._late_s = 0.0  # nobody wants their answers any more, and those that never started have none
        if self.cluster == "local":
            for job in handles:
                job._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        else:
            how = ["--signal=KILL", "--full"] if kill else []
            subprocess.run(["scancel", *how, *(job.job_id for job in handles)], check=False)

    def _queued(self, jobs: Sequence[Any]) -> set[str]:
        """Ids of the jobs that wait or run; all of them while the queue does not answer."""
        if self.cluster == "local":
            return {job.job_id for job in jobs if job._process.poll() is None}
        asked = subprocess.run(
            ["squeue", "--me", "-h", "-r", "-o", "%i %t %r"], capture_output=True, text=True, check=False
        )
        if asked.returncode != 0:
            log.warning(f"squeue does not answer, and is asked again: {_one_line(asked.stderr)}")
            return {job.job_id for job in jobs}
        lines = [line.split(maxsplit=2) for line in asked.stdout.splitlines() if line.strip()]
        there = {job_id: (state, " ".join(reason)) for job_id, state, *reason in lines}
        self._tell_of_waiting([there[job.job_id] for job in jobs if job.job_id in there])
        return set(there)

    def _tell_of_waiting(self, jobs: Sequence[tuple[str, str]]) -> None:
        """Say why no job runs, once for each new reason that SLURM gives."""
        reasons = {reason for _, reason in jobs} if all(state == "PD" for state, _ in jobs) else set()
        if reasons - self._told_reasons:
            log.info(f"{many(len(jobs), 'job')} waiting in SLURM's queue, none runs: {', '.join(sorted(reasons))}")
            self._told_reasons |= reasons

    def _outcome(self, job: Any) -> Outcome:
        if not job.paths.result_pickle.exists():
            said = _one_line((job.stderr() or "").strip().splitlines()[-1:] or ["nothing on stderr"])
            return Outcome(error=JobDied(f"was lost: SLURM job {job.job_id} ended without an answer: {said}"))
        try:
            return read_answer(job.result())
        except Exception as error:  # submitit could not even load the errand
            return Outcome(error=JobFailed(f"SLURM job {job.job_id} failed: {lines_of(error)[-1]}"))


def _perform(errand: Errand) -> bytes:
    """Run an errand, which ends at SLURM's signals as at any other, instead of submitit's requeueing."""
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, _interrupt)
    return errand()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # no Exception, which libraries would catch and word anew


def _one_line(text: Any) -> str:
    joined = " ".join(text) if isinstance(text, list) else str(text)
    return " ".join(joined.split())[:300]
