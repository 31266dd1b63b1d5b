"""MLflow's SQLite file is made by one process at a time; MLflow itself is not needed for that to be seen."""

import sys

import pytest
from omegaconf import OmegaConf

from lightsweep.holding import is_held
from lightsweep.training.mlflow_file import make_mlflow_file

THEIRS = """
from pathlib import Path

from lightsweep.holding import is_held

seen = []


class MlflowClient:
    def __init__(self, uri):
        self.file = Path(uri.removeprefix("sqlite:///"))

    def get_experiment_by_name(self, name):
        return name if self.file.is_file() else None

    def create_experiment(self, name, artifact_location):
        seen.append((name, artifact_location, is_held(Path(f"{self.file}.lock"))))
        self.file.touch()
"""


@pytest.fixture
def mlflow(importable, monkeypatch):
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    importable("mlflow", THEIRS)
    import mlflow

    yield mlflow
    sys.modules.pop("mlflow")


@pytest.mark.parametrize("given", [{}, {"experiment_name": "mine", "artifact_location": "there"}])
def test_the_experiment_is_made_once_and_by_one_process_at_a_time(mlflow, tmp_path, given):
    file = tmp_path / "new" / "mlflow.db"
    node = OmegaConf.create({"tracking_uri": f"sqlite:///{file}", **given})

    make_mlflow_file(node)
    make_mlflow_file(node)

    assert mlflow.seen == [(given.get("experiment_name", "lightning_logs"), given.get("artifact_location"), True)]
    assert not is_held(file.with_name("mlflow.db.lock"))


@pytest.mark.parametrize("uri", [None, "http://localhost:5000", "file:mlruns"])
def test_what_is_no_sqlite_file_is_left_to_mlflow(mlflow, uri):
    make_mlflow_file(OmegaConf.create({"tracking_uri": uri}))

    assert mlflow.seen == []
