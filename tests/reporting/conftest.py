"""Run folders as training leaves them, with numbers chosen by the test; and sweeps with a study."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.training.result import Result

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run's folder: `make_run("a", seed=1, acc=0.9, optimizer="adam", lr=0.1, curve=[…])`."""

    def made(
        name: str,
        seed: int = 0,
        acc: float | None = 0.5,
        optimizer: str = "sgd",
        lr: float = 0.1,
        status: str = "completed",
        reason: str | None = None,
        curve: Sequence[float] = (),
        watched: str = "val/acc",
        seconds: float = 10.0,
        metrics: Mapping[str, float] | None = None,
        directions: Mapping[str, str | None] | None = None,
        loss: str = "",
        **settings: Any,
    ) -> Path:
        paths = RunPaths(tmp_path / "outputs" / name)
        paths.folder.mkdir(parents=True)
        values = {"test/acc": acc, "val/acc": acc} if metrics is None else dict(metrics)
        result = Result(status, seed, values, "val/acc", acc, len(curve), 100, seconds, reason=reason)
        result.directions, result.loss = dict(directions or {}), loss
        result.save(paths)
        targets = {"sgd": "torch.optim.SGD", "momentum": "torch.optim.SGD"}
        config: dict[str, Any] = {
            "model": {"_target_": "lightsweep.models.MLP"},
            "optimizer": {"_target_": targets.get(optimizer, f"torch.optim.{optimizer.title()}"), "lr": lr},
            "seed": seed,
            "test": True,
            **settings,
        }
        if optimizer == "momentum":
            config["optimizer"]["momentum"] = 0.9
        paths.config.write_text(yaml.safe_dump(config))
        paths.hydra.mkdir()
        choices = {"model": "mlp", "optimizer": optimizer}
        (paths.hydra / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": choices}}}))
        rows = [f"{100 * i},{i},{2.5 * i},{value}\n" for i, value in enumerate(curve, 1)]
        if rows:
            paths.metrics.write_text(f"step,epoch,seconds,{watched}\n" + "".join(rows))
        paths.environment.write_text(json.dumps({"device": "cpu (a processor)", "packages": {"torch": "2.15.0"}}))
        return paths.folder

    return made


@pytest.fixture
def make_sweep(tmp_path: Path, make_run: MakeRun) -> Callable[..., Path]:
    """Writes a sweep's folder with the trials' run folders: values in order, None for pruned, "failed" for failed; and
    which trials broke a constraint.
    """

    def made(name: str, values: Sequence[float | str | None], rises: bool = True, broken: Sequence[int] = ()) -> Path:
        folder = tmp_path / "outputs" / name
        folder.mkdir(parents=True)
        storage = JournalStorage(JournalFileBackend(str(SweepPaths(folder).journal)))
        direction = "maximize" if rises else "minimize"
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        for number, value in enumerate(values):
            study.add_trial(_trial(number, value, number in broken))
            status = {None: "pruned", "failed": "failed"}.get(value, "completed")  # type: ignore[call-overload]
            acc = value if isinstance(value, float) else None
            reason = "it burst" if value == "failed" else None
            run = make_run(
                f"{name}/{number}", acc=acc, lr=10.0**-number, status=status, reason=reason, curve=[0.2, 0.3]
            )
            assert run.parent == folder
        return folder

    return made


def _trial(number: int, value: float | str | None, broken: bool) -> FrozenTrial:
    distributions = {
        "optimizer.lr": FloatDistribution(1e-9, 1, log=True),
        "optimizer.momentum": FloatDistribution(0, 1),
    }
    states = {None: TrialState.PRUNED, "failed": TrialState.FAIL}
    return create_trial(
        params={"optimizer.lr": 10.0**-number, "optimizer.momentum": (number * 0.37) % 1},
        distributions=distributions,  # type: ignore[arg-type]
        intermediate_values={0: 0.2, 1: 0.3},
        value=value if isinstance(value, float) else None,
        state=states.get(value, TrialState.COMPLETE),  # type: ignore[arg-type]
        user_attrs={"lightsweep:reason": "it burst"} if value == "failed" else {},
        system_attrs={"constraints": [1.0 if broken else 0.0]},
    )


@pytest.fixture
def outputs(make_run, tmp_path):
    """Two settings on three seeds, and a run that diverged."""
    for seed, (one, other) in enumerate([(0.9, 0.8), (0.92, 0.84), (0.94, 0.85)]):
        make_run(f"a{seed}", seed=seed, acc=one, curve=[0.5, one])
        make_run(f"b{seed}", seed=seed, acc=other, optimizer="adam", curve=[0.4, other])
    make_run("c", seed=3, acc=None, optimizer="adam", status="diverged", reason="the loss became nan at step 7")
    return tmp_path / "outputs"
