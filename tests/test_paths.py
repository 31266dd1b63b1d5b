"""Where files lie."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

from lightsweep import paths


def test_a_run_begun_at_midnight_has_the_day_of_its_time(monkeypatch):
    looks = iter([datetime(2026, 11, 26, 23, 59, 59), datetime(2026, 11, 27)])
    monkeypatch.setattr(paths, "datetime", SimpleNamespace(now=lambda: next(looks)))

    assert paths.new_run() == Path("outputs/2026-11-26/23-59-59-000000")


def test_an_installed_package_is_no_folder_of_data(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "home", lambda: paths.PACKAGE)

    assert (paths.PACKAGE / "data").is_dir()
    assert paths.data_dir("data") == Path("data")
