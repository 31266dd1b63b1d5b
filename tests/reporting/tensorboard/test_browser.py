"""TensorBoard's pages in a real browser: the rows and charts that they show, and a console without errors."""

import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from lightsweep.errors import Diverged
from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.reporting.tensorboard.multirun import write_board
from tests.ports import free_port

TEXTS = """
const found = [];
(function walk(node) {
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return;
  if (node.nodeType === Node.TEXT_NODE && node.textContent.trim()) found.push(node.textContent.trim());
  if (node.shadowRoot) walk(node.shadowRoot);
  node.childNodes.forEach(walk);
})(document.body);
return found;
"""
"""All texts of a page in their order, those inside of shadow trees too."""

PARALLEL = """
const lines = [], axes = [];
(function walk(node) {
  if (node.nodeName.toLowerCase() === "paper-tab" && node.textContent.trim().startsWith("PARALLEL")) node.click();
  if (node.nodeName.toLowerCase() === "tf-hparams-parallel-coords-plot") {
    lines.push(...node.shadowRoot.querySelectorAll(".foreground path"));
    axes.push(...node.shadowRoot.querySelectorAll(".axis text:last-child"));
  }
  if (node.shadowRoot) walk(node.shadowRoot);
  node.childNodes.forEach(walk);
})(document.body);
return [lines.map(line => line.getAttribute("d")), axes.map(axis => axis.textContent)];
"""
"""Turns to the parallel coordinates; the paths of their lines, one for each setting, and the names of their axes."""

PATIENCE_S = 240
BASE = ("model=softmax_regression", "logger=tensorboard", "trainer.max_epochs=2", "test=false")


class Page:
    """TensorBoard in a browser."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self._browser, self._address = browser, address

    def open(self, tab):
        self._browser.get(f"{self._address}/#{tab}")
        self._browser.refresh()  # a change of the fragment alone loads nothing

    def until(self, script, ready):
        """What a script gives once it is as wanted: the page draws piece by piece, at its own pace."""
        end = time.monotonic() + PATIENCE_S
        while not ready(found := self._browser.execute_script(script)):
            assert time.monotonic() < end, f"does not come; there is {found}"
            time.sleep(0.5)
        return found

    @property
    def errors(self):
        return [line["message"] for line in self._browser.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture
def page(needs_program, tmp_path):
    """TensorBoard over `tmp_path/outputs`, opened in a browser when it is called."""
    needs_program("chromium", "chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "window-size=1500,1100"):
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with ExitStack() as stack:

        def opened():
            port = free_port()
            words = ["--logdir", str(tmp_path / "outputs"), "--host", "127.0.0.1", "--port", str(port)]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            board = stack.enter_context(subprocess.Popen([sys.executable, "-m", "tensorboard.main", *words], **quiet))
            stack.callback(board.terminate)
            _wait_for(port)
            browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
            stack.callback(browser.quit)
            browser.set_script_timeout(PATIENCE_S)
            browser.set_page_load_timeout(PATIENCE_S)
            return Page(browser, f"http://127.0.0.1:{port}")

        yield opened


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, "TensorBoard does not start"
            time.sleep(0.2)


@pytest.mark.slow
def test_the_tabs_show_the_runs_and_no_errors(page, run, tmp_path):
    logdir = tmp_path / "outputs"
    for number, (lr, seed) in enumerate([(0.01, 0), (0.01, 1), (0.1, 0), (0.1, 1)]):
        run(*BASE, f"optimizer.lr={lr}", f"seed={seed}", folder=logdir / str(number))
    with pytest.raises(Diverged, match="became"):
        run(*BASE, "optimizer.lr=1e38", folder=logdir / "4")
    write_board(logdir)
    board = page()

    board.open("hparams")
    texts = board.until(TEXTS, lambda texts: "diverged" in texts and len(rows_of(texts)) == 3)
    assert sorted(row.split()[2] for row in rows_of(texts)) == ["lr=0.01", "lr=0.1", "lr=1e+38"]
    shown = texts[texts.index("Trial ID") :]
    assert shown.index("optimizer.lr") < shown.index("val/acc") < shown.index(rows_of(texts)[0])
    assert "seed" not in texts
    assert "hp_metric" not in texts

    lines, axes = board.until(PARALLEL, lambda found: len(found[0]) >= 2 and all(found[0]))
    assert len(set(lines)) == len(lines)
    assert {"optimizer.lr", "val/acc"} <= set(axes)
    assert board.errors == []

    place, run_name = SweepPaths(logdir).tensorboard.name, f"0/{RunPaths(logdir).tensorboard.name}"
    tags = ("train/loss", "val/loss", "by_epoch/train/loss", "by_epoch/val/loss", "lr", "norm/gradient")
    wanted = {f"mean/val/acc ({place}/lr=0.1, 2 seeds)", *(f"{tag} ({run_name})" for tag in tags)}
    board.open("custom_scalars")
    texts = board.until(TEXTS, wanted.issubset)
    titles = ["Loss", "Accuracy", "Learning rate and momentum", "Norms", "Where the time goes"]
    assert [text for text in texts if text in titles] == titles
    assert board.errors == []


def rows_of(texts):
    """The settings in the table of the HParams tab."""
    return [text for text in texts if re.fullmatch(r"SoftmaxRegression SGD lr=\S+ momentum=0.9 #\w{6}", text)]
