"""Hydra's own contract for launchers."""

import os
import sys

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase
from packaging.version import Version


@pytest.fixture(autouse=True)
def version_base_of_the_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites take Hydra as it is before a program has chosen a version base."""
    monkeypatch.setattr(VersionBase.instance(), "version_base", Version("1.1"))


@pytest.fixture(autouse=True)
def programs_find_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites start programs in other folders, where a relative PYTHONPATH leads nowhere."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_hydra_finds_the_launcher() -> None:
    assert "LocalLauncher" in [found.__name__ for found in Plugins.instance().discover(Launcher)]


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("local", ["hydra.launcher.num_workers=2", "hydra.launcher.preload=[]"])]
)
class TestLocalLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/launcher": "local"}], "hydra": {"launcher": {"preload": []}}}, ["-m"])],
)
class TestLocalLauncherIntegration(IntegrationTestSuite):
    pass
