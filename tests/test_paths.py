"""Where files lie."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

from lightsweep import paths


def test_a_run_begun_at_midnight_has_the_day_of_its_time(monkeypatch):
    looks = iter([datetime(2026, 11, 26, 23, 59, 59), datetime(2026, 11, 27)])
    monkeypatch.setattr(paths, "datetime", SimpleNamespace(now=lambda: next(looks)))

    assert paths.new_run() == Path("outputs/2026-11-26/23-59-59-000000")
