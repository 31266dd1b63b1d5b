"""The best settings run again on fresh seeds when the sweep is done."""

import csv
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from hydra.core.utils import JobReturn, JobStatus
from optuna.distributions import FloatDistribution

from lightsweep.errors import RankDied
from lightsweep.paths import RunPaths
from lightsweep.statistics import t_quantile
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.patient_storage import PatientStorage
from lightsweep.sweeping.plan import Plan, RerunSettings
from lightsweep.sweeping.rerun import RerunJob, RerunResult, _test_metrics, note_seed, results_of, wanted_reruns
from lightsweep.sweeping.rerun_report import rerun_lines
from lightsweep.sweeping.rounds import run_again
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import storage_spec, taking_turns
from lightsweep.sweeping.study import open_study, study_storage
from lightsweep.sweeping.summary import summary_lines

SPACE = ("x=range(0,2)", "hydra/sweeper/sampler=grid", "hydra.sweeper.sampler.seed=1")  # seed 1 tries 0 first
AGAIN = "hydra.sweeper.rerun_best.seeds=3"

TASK = """
import json, os, pathlib, signal
import hydra
from hydra.core.hydra_config import HydraConfig
from lightsweep.sweeping.trial import current_trial


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    folder = pathlib.Path(HydraConfig.get().runtime.output_dir)
    is_trial = current_trial() is not None and "LIGHTSWEEP_TRIAL" in os.environ
    outside = current_trial() is None and "LIGHTSWEEP_TRIAL" not in os.environ
    assert is_trial or outside
    if outside and cfg.seed == cfg.bad_seed:
        raise RuntimeError("this seed is bad")
    if outside and cfg.seed == cfg.kill_seed and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "runs.txt").open("a") as runs:
        runs.write("once ")
    if outside:
        (folder / "result.json").write_text(json.dumps({"test/acc": 0.5 + cfg.seed / 100, "val/acc": 0.1}))
    return cfg.x + cfg.seed


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def seeded(app):
    (app.folder / "app.py").write_text(TASK)
    (app.folder / "conf" / "config.yaml").write_text("x: 0\nseed: 4\nother: 1\nbad_seed: -1\nkill_seed: -1\n")
    return app


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_best_setting_is_run_again_on_seeds_that_no_trial_used(seeded):
    run = seeded.sweep(*SPACE, AGAIN, "hydra.sweeper.rerun_best.top=2")
    made = rows(seeded.sweep_dir / "rerun_runs.csv")
    assert [(row["trial"], row["seed"], row["state"]) for row in made] == [
        (trial, str(seed), "complete") for trial in ("0", "1") for seed in (5, 6, 7)
    ]
    best, second = rows(seeded.sweep_dir / "rerun.csv")
    assert (best["rank"], best["x"], best["tuned"], best["mean"], best["n"]) == ("1", "0", "4.0", "6.0", "3")
    assert float(best["half_width_95"]) == pytest.approx(t_quantile(2) * statistics.stdev([5, 6, 7]) / 3**0.5)
    assert float(best["test/acc"]) == pytest.approx(0.56)
    assert (second["x"], second["mean"]) == ("1", "7.0")
    assert "trial 0 run again on seeds 5, 6, 7: tuned 4; on fresh seeds 6 ± 2.5 (n 3); test/acc 0.56 ±" in run.stdout
    assert (seeded.sweep_dir / "rerun" / "0-5" / ".hydra" / "overrides.yaml").read_text() == "- x=0\n- ++seed=5\n"


def test_reruns_that_are_done_are_not_made_again(seeded):
    seeded.sweep(*SPACE, AGAIN)
    seeded.sweep(*SPACE, AGAIN)
    seeded.sweep(*SPACE, "hydra.sweeper.rerun_best.seeds=4")
    folders = sorted((seeded.sweep_dir / "rerun").iterdir())
    assert [folder.name for folder in folders] == ["0-5", "0-6", "0-7", "0-8"]
    assert [(folder / "runs.txt").read_text() for folder in folders] == ["once "] * 4


def test_failing_rerun_is_listed_with_its_reason(seeded):
    run = seeded.sweep(*SPACE, AGAIN, "bad_seed=6")
    assert "  seed 6 failed: RuntimeError: this seed is bad" in run.stdout
    assert "on fresh seeds 6 ± 13 (n 2)" in run.stdout
    assert rows(seeded.sweep_dir / "rerun.csv")[0]["failed"] == "1"
    assert "Traceback" in (seeded.sweep_dir / "rerun" / "0-6" / "error.txt").read_text()


def test_a_rerun_that_is_cancelled_fails_alone(seeded):
    itself = "import asyncio; raise asyncio.CancelledError"
    (seeded.folder / "app.py").write_text(TASK.replace('raise RuntimeError("this seed is bad")', itself))
    run = seeded.sweep(*SPACE, AGAIN, "bad_seed=6")
    assert "  seed 6 failed: CancelledError\n" in run.stdout
    assert "(n 2)" in run.stdout


def test_killed_rerun_is_made_again_by_the_next_round(seeded):
    run = seeded.sweep(*SPACE, AGAIN, "kill_seed=6", "hydra/launcher=local", "hydra.launcher.preload=[]")
    assert [row["state"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["complete"] * 3
    assert "(n 3)" in run.stdout


@pytest.mark.parametrize(
    ("itself", "code", "told"),
    [
        ("raise OSError(28, 'full')", 4, "can no longer be written: full; once that is mended, to go on: "),
        ("from lightsweep.errors import Interrupted; raise Interrupted(15)", 143, "; to go on: "),
    ],
)
def test_rerun_that_is_stopped_from_outside_ends_the_sweep_and_is_made_again(seeded, itself, code, told):
    (seeded.folder / "app.py").write_text(TASK.replace('raise RuntimeError("this seed is bad")', itself))
    assert told in seeded.sweep(*SPACE, AGAIN, "bad_seed=6", code=code).stderr
    assert [row["state"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["complete", "lost", "not run"]
    (seeded.folder / "app.py").write_text(TASK.replace("cfg.bad_seed", "-1"))
    seeded.sweep(*SPACE, AGAIN, "bad_seed=6")
    assert [row["state"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["complete"] * 3


def test_searched_seed_is_replaced_and_its_values_are_used(seeded):
    seeded.sweep("seed=range(10,13)", "hydra/sweeper/sampler=grid", "hydra.sweeper.rerun_best.seeds=1",
                 "hydra.sweeper.rerun_best.top=3")  # fmt: skip
    made = rows(seeded.sweep_dir / "rerun_runs.csv")
    best = min(rows(seeded.sweep_dir / "trials.csv"), key=lambda row: float(row["value"]))
    # without the seed, all three trials are one setting
    assert [(row["trial"], row["seed"]) for row in made] == [(best["number"], "13")]


@pytest.mark.slow
def test_seed_of_the_command_line_counts_as_used_and_another_key_can_be_named(seeded):
    seeded.sweep(*SPACE, "seed=20")
    seeded.sweep(*SPACE, AGAIN)
    assert [row["seed"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["21", "22", "23"]
    seeded.sweep_dir = seeded.folder / "other"
    seeded.sweep(*SPACE, AGAIN, "hydra.sweeper.rerun_best.seed_key=other")
    assert [row["value"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["4.0"] * 3


def test_what_the_task_drew_itself_is_no_setting_of_a_rerun(seeded):
    draws = "    if is_trial:\n        current_trial().suggest_float('width', 0, 1)\n    return"
    (seeded.folder / "app.py").write_text(TASK.replace("    return", draws))
    (seeded.folder / "spaces.py").write_text("def more(cfg, trial):\n    trial.suggest_int('other', 2, 3)\n")
    custom = "hydra.sweeper.custom_search_space=spaces.more"
    seeded.sweep("x=range(0,2)", custom, "hydra.sweeper.n_trials=1", "hydra.sweeper.rerun_best.seeds=1")
    assert [row["state"] for row in rows(seeded.sweep_dir / "rerun_runs.csv")] == ["complete"]
    lines = (seeded.sweep_dir / "rerun" / "0-5" / ".hydra" / "overrides.yaml").read_text()
    assert "other=" in lines
    assert "width=" not in lines


def test_nothing_is_run_again_by_default(seeded):
    seeded.sweep(*SPACE)
    assert not (seeded.sweep_dir / "rerun").exists()
    assert not (seeded.sweep_dir / "rerun.csv").exists()


def test_study_keeps_the_results_as_plain_values(seeded, study_of):
    seeded.sweep(*SPACE, "hydra.sweeper.rerun_best.seeds=1")
    kept = study_of(seeded.sweep_dir).user_attrs["lightsweep:rerun:0:5"]
    assert json.loads(json.dumps(kept)) == kept
    assert (kept["state"], kept["value"], kept["test"]) == ("complete", 5.0, {"test/acc": 0.55})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"test/acc": 0.9, "test/loss": null, "val/acc": 0.8}', {"test/acc": 0.9}),
        ('{"test/acc": "0.93 ± 0.01", "test/n": 5}', {"test/n": 5.0}),
        ("[1]", {}),
        ("test/acc 0.9", {}),
        (None, {}),
    ],
)
def test_an_applications_own_file_by_the_name_of_a_result_is_no_reason_to_lose_the_rerun(tmp_path, text, found):
    if text is not None:
        RunPaths(tmp_path).result.write_text(text)
    assert _test_metrics(tmp_path) == found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    space = build_space({"x": "interval(0,1)"}, None, [])
    return Plan("s", storage_spec(None, tmp_path), tmp_path, ("minimize",), {}, None, space, 1,
                rerun=RerunSettings(seeds=2), seed=4)  # fmt: skip


def test_seeds_of_sweeps_that_begin_at_once_are_all_noted(plan):
    study = open_study(plan)
    with taking_turns(plan.storage, plan.folder):
        other = threading.Thread(target=note_seed, args=(study, plan))
        other.start()
        other.join(0.3)
        study.set_user_attr("lightsweep:seeds", [7])
    other.join()
    assert study.user_attrs["lightsweep:seeds"] == [7, 4]


class Crew:
    """Hands each round of jobs to a function instead."""

    share = None

    def __init__(self, work: Callable[[], Sequence[JobReturn]]) -> None:
        self.work = work

    def launcher(self, job):
        return SimpleNamespace()

    def launch(self, *_: object) -> Sequence[JobReturn]:
        return self.work()


@pytest.fixture
def tuned(plan):
    """A study with one trial."""
    study = open_study(plan)
    study.add_trial(
        optuna.trial.create_trial(params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)}, value=3.0)
    )
    return study


@pytest.mark.parametrize(("max_kills", "kills"), [(5, 2), (2, 2)])
def test_rerun_that_loses_a_rank_is_made_again_unless_it_loses_one_each_time(
    tuned, plan, monkeypatch, max_kills, kills
):
    ends = [*[JobReturn(status=JobStatus.FAILED, _return_value=RankDied(1, -9, None))] * kills]
    ends += [JobReturn(status=JobStatus.COMPLETED, _return_value=2.0)] * 2
    monkeypatch.setattr("lightsweep.sweeping.task_run.logging_restored", nullcontext)
    task = SimpleNamespace(compose=lambda *_: (None, plan.folder), run=lambda *_: ends.pop(0))
    reruns = wanted_reruns(tuned, plan, None, None)
    RerunJob(replace(plan, max_kills=max_kills), task, reruns, None)(None)
    first, second = results_of(reruns, plan)
    assert (first.state, first.kills, second.state) == ("complete" if max_kills == 5 else "failed", kills, "complete")
    reason = "rank 1 was killed by signal 9 (SIGKILL), as 1 before it with these settings"
    assert first.reason == ("" if max_kills == 5 else reason)


def test_interrupted_rerun_does_not_wait_for_a_server_that_is_away(tuned, plan, monkeypatch):
    storage, study_id = study_storage(plan)
    patient, calls = PatientStorage(storage, "s", speaks=False, patience_s=1.0), []

    def interrupted(*_):
        monkeypatch.setattr(storage, "set_study_user_attr", away)
        raise KeyboardInterrupt

    def away(*_):
        calls.append(1)
        raise ConnectionError("no server")

    monkeypatch.setattr("lightsweep.sweeping.task_run.logging_restored", nullcontext)
    monkeypatch.setattr("lightsweep.sweeping.rerun.study_storage", lambda _: (patient, study_id))
    task = SimpleNamespace(compose=lambda *_: (None, plan.folder), run=interrupted)
    with pytest.raises(KeyboardInterrupt):
        RerunJob(plan, task, wanted_reruns(tuned, plan, None, None))(None)
    assert calls == [1]


def test_rerun_whose_host_was_lost_is_made_again_by_the_next_round(tuned, plan):
    plan = replace(plan, sweep="ours", remote_timeout_s=120.0)
    reruns, rounds = wanted_reruns(tuned, plan, None, None), []
    abroad = Owner("elsewhere pid:[1]", 7, "1", "ours").to_attribute()
    lost = asdict(RerunResult("running", abroad, time.time(), alive=time.time()))
    complete = asdict(RerunResult("complete", value=2.0))

    def work():
        rounds.append([result and result.state for result in results_of(reruns, plan)])
        tuned.set_user_attr(reruns[len(rounds) - 1].mark, complete)
        if len(rounds) == 1:
            tuned.set_user_attr(reruns[1].mark, lost)
        return []

    run_again(reruns, tuned, plan, Crew(work), None)
    assert rounds == [[None, None], ["complete", "lost"]]


def test_rerun_that_did_not_end_is_told_from_one_that_never_began(tuned, plan):
    reruns = wanted_reruns(tuned, plan, None, None)
    tuned.set_user_attr(reruns[0].mark, asdict(RerunResult("running")))
    _, lost, not_run, *_ = rerun_lines(reruns, tuned, plan)
    assert lost == "  seed 0 lost: its process ended before the task did; start the sweep again to run it again"
    assert not_run == "  seed 1 not run: start the sweep again to run it"


def test_jobs_that_fail_before_they_claim_a_rerun_are_the_sweeps_error(tuned, plan):
    def fail():
        return [JobReturn(status=JobStatus.FAILED, _return_value=OSError("no room for a job"))]

    with pytest.raises(OSError, match="no room for a job"):
        run_again(wanted_reruns(tuned, plan, None, None), tuned, plan, Crew(fail), None)


def test_reruns_that_another_sweep_made_are_in_the_tables_too(tuned, plan):
    reruns = wanted_reruns(tuned, plan, None, None)
    for seed, rerun in enumerate(reruns):
        tuned.set_user_attr(rerun.mark, asdict(RerunResult("complete", value=2.0 + seed)))
    run_again(reruns, tuned, plan, None, None)
    assert [row["value"] for row in rows(plan.folder / "rerun_runs.csv")] == ["2.0", "3.0"]
    run_again(reruns[:1], tuned, plan, None, None)  # fewer seeds: as few as the summary has
    assert [row["mean"] for row in rows(plan.folder / "rerun.csv")] == ["2.0"]


def test_a_sweep_that_joins_with_another_seed_leaves_the_reruns_their_report(tuned, plan):
    reruns = wanted_reruns(tuned, plan, None, None)

    def work():
        for rerun in reruns:
            tuned.set_user_attr(rerun.mark, asdict(RerunResult("complete", value=2.0)))
        note_seed(tuned, replace(plan, seed=20))
        return []

    run_again(reruns, tuned, plan, Crew(work), None)
    assert [row["seed"] for row in rows(plan.folder / "rerun_runs.csv")] == ["0", "1"]
    assert "trial 0 run again on seeds 0, 1: tuned 3; on fresh seeds 2 " in "\n".join(
        summary_lines(tuned, plan, reruns)
    )
