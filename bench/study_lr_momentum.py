"""The study of docs/study-lr-momentum.md, from trials to text: python -m bench.study_lr_momentum [num_workers].

Thirty trials of `sweeps=lr_momentum` on the ConvNet, five epochs each; then the winner and the article's settings on
the same five seeds, which no trial used. What is done already is not done again, so it can be stopped at any time.
"""

import csv
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.statistics import Estimate
from lightsweep.training.environment import cpu_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "study-lr-momentum.md"
NAME, SEEDS = "study-lr-momentum", 5
# fp32: an AMD EPYC without bf16 instructions made 1,432 samples/s in fp32, 130 in bf16-mixed (150 steps, one thread)
COMMON = ("trainer.max_epochs=5", "trainer.precision=32-true")
ARTICLE = ("optimizer.lr=0.01", "optimizer.momentum=0.9")
FIGURES = {
    "means-test-acc": "Test accuracy of the article's settings and the winner's on five seeds",
    f"sweep-{NAME}-map": "Validation accuracy over learning rate and momentum; crosses are pruned trials",
    "tuning-budget": "Expected best validation accuracy against the number of trials",
}
METRICS = {"test/acc": "test accuracy", "val/acc": "validation accuracy"}


def sweep_command(num_workers: int) -> list[str]:
    """The sweep with its re-runs."""
    return ["-m", "sweeps=lr_momentum", *COMMON, f"hydra.launcher.num_workers={num_workers}",
            f"hydra.sweeper.study_name={NAME}", f"hydra.sweeper.rerun_best.seeds={SEEDS}"]  # fmt: skip


def article_command(num_workers: int, seeds: list[int]) -> list[str]:
    """The article's settings on some seeds, in folders by seed."""
    return ["-m", *COMMON, *ARTICLE, f"seed={','.join(map(str, seeds))}", "hydra/launcher=local",
            f"hydra.launcher.num_workers={num_workers}", f"hydra.sweep.dir=outputs/sweeps/{NAME}-article",
            "hydra.sweep.subdir=${seed}"]  # fmt: skip


def train(command: list[str]) -> None:
    """Run train.py, one thread a worker."""
    print("python train.py", *command, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "train.py", *command], cwd=ROOT, env=environment, check=True)


def result(folder: Path) -> dict[str, Any]:
    """A run's result, empty where it has none or did not complete."""
    path = RunPaths(folder).result
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if found.get("status") == "completed" else {}


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def percent(estimate: Estimate, signed: bool = False) -> str:
    """Mean and half of its 95 % interval, in per cent (of a difference: percentage points)."""
    assert estimate.mean is not None
    assert estimate.half_width is not None
    return f"{100 * estimate.mean:{'+' if signed else ''}.2f} ± {100 * estimate.half_width:.2f}"


def verdict(difference: Estimate) -> str:
    """What the interval of the paired difference in test accuracy allows to say."""
    assert difference.mean is not None
    assert difference.half_width is not None
    if difference.mean - difference.half_width > 0:
        return "The winner is better than the article's settings: the interval of the difference lies above zero."
    if difference.mean + difference.half_width < 0:
        return "The winner is worse than the article's settings: the interval of the difference lies below zero."
    return "No difference is shown: the interval holds zero."


def page(num_workers: int) -> str:
    """The page, from the files that the commands left."""
    paths = SweepPaths(ROOT / "outputs" / "sweeps" / NAME)
    runs = [row for row in rows(paths.rerun_runs) if row["rank"] == "1"]
    seeds, winner = [int(row["seed"]) for row in runs], runs[0]["trial"]
    tuned = [result(paths.rerun(int(winner), seed)) for seed in seeds]
    article = [result(ROOT / "outputs" / "sweeps" / f"{NAME}-article" / str(seed)) for seed in seeds]
    differences = {
        name: Estimate.of([new[name] - old[name] for new, old in zip(tuned, article, strict=True)]) for name in METRICS
    }
    trials = rows(paths.trials)
    states = {state: sum(row["state"] == state for row in trials) for state in ("complete", "pruned", "failed")}
    done = sorted((row for row in trials if row["state"] == "complete"), key=lambda row: -float(row["value"]))
    best = next(row for row in trials if row["number"] == winner)
    settings = f"lr {float(best['optimizer.lr']):.4g}, momentum {float(best['optimizer.momentum']):.4g}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "optuna", "hydra-core"))
    top = [
        f"| {row['number']} | {100 * float(row['value']):.2f} | {float(row['optimizer.lr']):.4g} "
        f"| {float(row['optimizer.momentum']):.4g} |"
        for row in done[:10]
    ]
    pairs = [
        f"| {seed} | {100 * old['test/acc']:.2f} | {100 * new['test/acc']:.2f} "
        f"| {100 * (new['test/acc'] - old['test/acc']):+.2f} |"
        for seed, old, new in zip(seeds, article, tuned, strict=True)
    ]
    compared = [
        f"| {words} | {percent(Estimate.of([run[name] for run in article]))} "
        f"| {percent(Estimate.of([run[name] for run in tuned]))} | {percent(differences[name], signed=True)} |"
        for name, words in METRICS.items()
    ]
    return "\n".join([
        "# Learning rate and momentum of the ConvNet",
        "",
        "Does a sweep of thirty trials find better settings than the article's (lr 0.01, momentum 0.9), at the same",
        "batch size of 100 and the same five epochs? Both are judged on five seeds that no trial used, pair by pair;",
        "the test set was opened for these runs alone.",
        "",
        "    python -m bench.study_lr_momentum",
        "",
        "which runs, one after the other,",
        "",
        f"    python train.py {shlex.join(sweep_command(num_workers))}",
        f"    python train.py {shlex.join(article_command(num_workers, seeds))}",
        "",
        f"{cpu_name()}, {os.cpu_count()} cores, {num_workers} workers of one thread, fp32;",
        f"Python {platform.python_version()}, {packages}.",
        "",
        "## Result",
        "",
        f"Trial {winner} won: {settings}. {verdict(differences['test/acc'])}",
        "",
        f"| n = {len(seeds)} seeds, in % | article | winner | winner − article, paired |",
        "|---|---|---|---|",
        *compared,
        "",
        "± is half the 95 % interval of the mean (Student's t). One run a seed, on the test set:",
        "",
        "| seed | article | winner | difference |",
        "|---|---|---|---|",
        *pairs,
        "",
        "The pictures are from the report of both folders:",
        "",
        f"    python report.py outputs/sweeps/{NAME} outputs/sweeps/{NAME}-article",
        "",
        *(f"![{words}](images/{NAME}/{name}.png)\n" for name, words in FIGURES.items()),
        "## Trials",
        "",
        f"{len(trials)} trials: {states['complete']} complete, {states['pruned']} pruned by the median,",
        f"{states['failed']} failed. The ten best by validation accuracy, which is the tuned value and so flatters:",
        "",
        "| trial | val acc, % | lr | momentum |",
        "|---|---|---|---|",
        *top,
        "",
    ])  # fmt: skip


def draw() -> None:
    """Copy the report's figures beside the page."""
    folders = [f"outputs/sweeps/{NAME}{end}" for end in ("", "-article")]
    subprocess.run([sys.executable, "report.py", *folders], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    target = PAGE.parent / "images" / NAME
    target.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        shutil.copy(ROOT / folders[0] / "report" / "figures" / f"{name}.png", target)


def main() -> None:
    """Make what is missing, then write the page."""
    num_workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    train(sweep_command(num_workers))
    paths = SweepPaths(ROOT / "outputs" / "sweeps" / NAME)
    seeds = [int(row["seed"]) for row in rows(paths.rerun_runs) if row["rank"] == "1"]
    missing = [seed for seed in seeds if not result(ROOT / "outputs" / "sweeps" / f"{NAME}-article" / str(seed))]
    if missing:
        train(article_command(num_workers, missing))
    draw()
    PAGE.write_text(page(num_workers), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
