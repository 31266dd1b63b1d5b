"""The page in a real browser: the rows it shows, an empty console, and no request to anywhere."""

import json
import subprocess
from html.parser import HTMLParser

import pytest

from lightsweep.reporting.report import write_report

OWN = "not an origin"
"""What Chromium's log says began a request that it makes for itself, and no page."""


class Tables(HTMLParser):
    """The text of each table's cells, by rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag, attrs) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data) -> None:
        if self._inside:
            self.rows[-1][-1] += data


@pytest.fixture
def browse(needs_program, tmp_path):
    """Opens a page in headless Chromium; gives its document after loading, its log, and the requests that it made."""
    needs_program("chromium")

    def opened(path):
        net = tmp_path / "net.json"
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}",
             "--enable-logging=stderr", f"--log-net-log={net}", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        asked = [event.get("params", {}) for event in json.loads(net.read_text())["events"]]
        by_page = [each for each in asked if each.get("initiator", OWN) != OWN]
        return done.stdout, console, [each["url"] for each in by_page]

    return opened


def test_page_shows_the_rows_and_asks_nobody(make_run, make_sweep, tmp_path, browse):
    for seed, (one, other) in enumerate([(0.9, 0.8), (0.92, 0.84)]):
        make_run(f"a{seed}", seed=seed, acc=one, curve=[0.5, one])
        make_run(f"b{seed}", seed=seed, acc=other, optimizer="adam", curve=[0.4, other])
    make_run("c", seed=3, optimizer="adam", status="failed", reason="ValueError: it & burst")
    make_sweep("s", [0.5, None, 0.7, 0.6])
    page = write_report([tmp_path / "outputs"]).paths.page
    document, console, requests = browse(page)
    tables = Tables()
    tables.feed(document)
    assert ["sgd", "2 of 2", "91 ± 13", "91 ± 13", "10"] in tables.rows
    assert [row[0] for row in tables.rows if row[-1] == "ValueError: it & burst"] == ["c"]
    for run in ("a0", "a1", "b0", "b1", "c", "s/0", "s/1", "s/2", "s/3"):
        assert any(row[0] == run for row in tables.rows)
    assert {row[0] for row in tables.rows if "seed" in row} == {"folder in outputs"}
    assert document.count("<svg") == page.read_text().count("<svg") > 8
    assert console == []
    assert requests == []


def test_browser_would_tell_of_a_request_and_of_an_error(tmp_path, browse):
    page = tmp_path / "bad.html"
    page.write_text('<script>console.error("oh")</script><img src="http://127.0.0.1:9/x.png">')
    _, console, requests = browse(page)
    assert len(console) >= 1
    assert requests.count("http://127.0.0.1:9/x.png") >= 1
