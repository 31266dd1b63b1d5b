"""The SQLite file that MLflow's logger writes into, which one process alone may make."""

from pathlib import Path

from filelock import FileLock
from omegaconf import DictConfig

_SQLITE = "sqlite:///"


def make_mlflow_file(node: DictConfig) -> None:
    """Make the file of a logger's `tracking_uri` with its experiment, if it names one and it is not there.

    Of runs that begin at once, as a sweep's first, MLflow lets all but one fail: they migrate its tables together,
    and make the experiment twice.
    """
    uri = str(node.get("tracking_uri"))
    if not uri.startswith(_SQLITE):
        return
    try:
        from mlflow import MlflowClient  # seconds, which are not to be waited for in turn
    except ImportError:
        return  # which the logger tells
    file = Path(uri.removeprefix(_SQLITE))
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        client, name = MlflowClient(uri), node.get("experiment_name", "lightning_logs")
        if client.get_experiment_by_name(name) is None:
            client.create_experiment(name, node.get("artifact_location"))
