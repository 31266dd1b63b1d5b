"""A value that a stranger wrote for a logger or a callback names no place outside, however it is written."""

import pytest

from lightsweep.config.places import leads_outside

INSIDE = [
    "logs",
    "",
    "epoch={epoch:02d}-{val/loss:.2f}",
    "first try: no dropout, 50% of the data",
    "sqlite:///outputs/mlflow.db",
    "outputs/logs",
    "{run}/logs",
    "{here}/logs",
]
OUTSIDE = [
    "../elsewhere",
    "/elsewhere",
    "~/elsewhere",
    "~somebody/elsewhere",
    "$HOME/elsewhere",
    "logs/${HOME}",
    "http://elsewhere",
    "s3:elsewhere",
    "file:/elsewhere",
    "file:elsewhere",
    "local::/elsewhere",
    " fi\tle:/elsewhere",
    "sqlite:////elsewhere.db",
    "sqlite:///../elsewhere.db",
    "sqlite:///file:/elsewhere.db?uri=true",
    "postgresql+psycopg://elsewhere/db",
    "%2e%2e/elsewhere",
    "%2Felsewhere",
    "a\0b",
    "\ud800",
    "mine/link/logs",
    "link/logs",
    "{run}/link",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A stranger's run folder with a link out of it, in the present folder, whose `outputs` are on another disk."""
    (tmp_path / "disk").mkdir()
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    (here / "outputs").symlink_to(tmp_path / "disk")
    (here / "mine" / "link").symlink_to(tmp_path)
    monkeypatch.chdir(here)
    return here / "mine"


@pytest.mark.parametrize(("values", "outside"), [(INSIDE, False), (OUTSIDE, True)])
def test_a_place_is_found_outside_by_all_that_libraries_make_of_it(folder, values, outside):
    for value in values:
        text = value.replace("{run}", str(folder)).replace("{here}", str(folder.parent))
        assert leads_outside("callbacks.mc.dirpath", text, folder) is outside, value


def test_only_loggers_and_callbacks_name_places(folder):
    assert leads_outside("logger.x.save_dir", "~/elsewhere", folder)
    assert not leads_outside("data.root", "~/elsewhere", folder)
    assert not leads_outside("logger.x.offline", True, folder)
