"""optuna-dashboard opens the journal that a sweep keeps by default."""

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.ports import free_port


def fetch(url: str, patience_s: float = 60.0) -> str:
    """The page at `url`, from a server that may still be starting."""
    end_s = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as page:
                return page.read().decode()
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.2)


@pytest.mark.slow
def test_dashboard_shows_the_trials_of_the_default_journal(app):
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    app.sweep("x=interval(-2,2)", "hydra.sweeper.n_trials=5")
    port = free_port()
    start = "from optuna_dashboard._cli import main; main()"
    journal = str(app.sweep_dir / "study.journal")
    options = ["--host", "127.0.0.1", "--port", str(port), "--storage-class", "JournalFileStorage"]
    server = subprocess.Popen(
        [sys.executable, "-c", start, journal, *options], env=app.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert "<title>" in fetch(f"http://127.0.0.1:{port}/dashboard/")
        studies = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies"))["study_summaries"]
        assert [study["study_name"] for study in studies] == ["sweep"]
        shown = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies/{studies[0]['study_id']}?after=0"))
        assert len(shown["trials"]) == 5
        assert {trial["state"] for trial in shown["trials"]} == {"Complete"}
    finally:
        server.terminate()
        server.wait(30)
