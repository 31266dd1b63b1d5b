"""Launchers that write jobs into files, or send them far away, leave no password of the storage behind."""

from collections.abc import Iterator

import pytest

from lightsweep.sweeping import marks
from lightsweep.sweeping.storage import open_storage
from tests.sweeping.database_servers import PASSWORD, PostgresServer, connections_closed  # noqa: F401

LAUNCHERS = {
    "local": (None, ["hydra/launcher=local", "hydra.launcher.gpus=null", "hydra.launcher.preload=[]"]),
    "ray": ("ray", ["hydra/launcher=ray", "+hydra.launcher.init.num_cpus=2"]),
    "slurm": ("submitit", ["hydra/launcher=slurm", "hydra.launcher.cluster=local", "hydra.launcher.poll_s=0.2"]),
}
FORMS = {
    "literal": "hydra.sweeper.storage={url}",
    "environment": "hydra.sweeper.storage=${{oc.env:STUDY_URL}}",
    "mapping": 'hydra.sweeper.storage={{_target_:optuna.storages.RDBStorage,url:"{url}"}}',
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer()
    yield running
    running.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "form"),
    [*((launcher, form) for launcher in LAUNCHERS for form in ("literal", "environment")), ("slurm", "mapping")],
)
def test_no_byte_of_a_sweeps_folder_holds_the_password(launcher, form, needs_program, needs_package, request, swept):
    needs_program(*PostgresServer.programs)
    package, overrides = LAUNCHERS[launcher]
    if package is not None:
        needs_package(package)
    url = request.getfixturevalue("server").database()

    sweep = swept.start(*overrides, FORMS[form].format(url=url), "hydra.sweeper.study_name=s", "+sleep_s=0",
                        "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", environ={"STUDY_URL": url})  # fmt: skip
    said = sweep.communicate(timeout=300)[0]

    assert sweep.returncode == 0, said
    storage = open_storage(url)
    trials = storage.get_all_trials(storage.get_study_id_from_name("s"))
    assert marks.count(trials).complete == 3
    assert PASSWORD not in said
    files = [path for path in swept.folder.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    if launcher == "slurm":
        assert [path for path in files if path.suffix == ".pkl"], "submitit's pickles were not looked into"
