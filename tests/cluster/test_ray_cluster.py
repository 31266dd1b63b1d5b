"""A Ray cluster of two nodes on this machine, with token authentication, and a node that is lost in mid-sweep.

The second node has a host name and process numbers of its own, so that nobody outside can look for its processes.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lightsweep.sweeping import marks

RAY = str(Path(sys.executable).with_name("ray"))


class Cluster:
    """The head with one core, and a node that can be lost with one more."""

    def __init__(self, folder: str) -> None:
        self.environ = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "d" * 64, "RAY_TMPDIR": folder, "HOME": folder,
                        "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
        self.address = ""
        self._folder = folder
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        common = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats", "--block"]
        self._run(
            RAY, "start", "--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self._folder}", *common
        )
        found = Path(self._folder, "ray_current_cluster")
        self._wait(found.is_file)
        self.address = found.read_text().strip()
        away = f'hostname away; exec "{RAY}" start --address={self.address} {" ".join(common)}'
        self._run("unshare", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", away)

    def lose_node(self) -> None:
        """End every process of the second node at once, as if its machine had lost power."""
        self.nodes[1].kill()
        self.nodes[1].wait()

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.send_signal(signal.SIGTERM)
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()

    def _run(self, *command: str) -> None:
        environ = {**os.environ, **self.environ}
        with Path(self._folder, f"node{len(self.nodes)}.log").open("wb") as log:
            self.nodes.append(subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT))

    def _wait(self, happened) -> None:
        end = time.monotonic() + 120
        while not happened():
            assert self.nodes[-1].poll() is None, Path(self._folder, "node0.log").read_text()
            assert time.monotonic() < end, Path(self._folder, "node0.log").read_text()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(needs_package) -> Iterator[Cluster]:
    needs_package("ray")
    if os.geteuid() != 0:
        pytest.skip("a node with a host name of its own takes root")
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets lie there, and their paths must be short
    found = Cluster(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_without_the_token_joining_is_refused_in_one_line(cluster, swept):
    sweep = swept.start("hydra/launcher=ray", f"hydra.launcher.address={cluster.address}", "+sleep_s=0",
                        "hydra.sweeper.n_trials=1",
                        environ={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "e" * 64})  # fmt: skip
    output, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 2, output
    assert f"`hydra/launcher=ray` cannot join {cluster.address}" in output
    assert "put its token into ~/.ray/auth_token" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_lost_node_costs_its_running_trials_alone_and_each_counts_once(cluster, swept):
    sweep = swept.start("hydra/launcher=ray", f"hydra.launcher.address={cluster.address}", "+sleep_s=1.5",
                        "hydra.sweeper.n_trials=10", environ=cluster.environ)  # fmt: skip

    def runs_away() -> bool:
        owners = [t.user_attrs.get(marks.OWNER, {}) for t in swept.trials() if t.state is TrialState.RUNNING]
        return any(owner.get("host", "").startswith("away") for owner in owners)

    swept.wait_for(sweep, lambda: sum(t.state is TrialState.COMPLETE for t in swept.trials()) >= 2 and runs_away())
    cluster.lose_node()
    output, _ = sweep.communicate(timeout=240)

    assert sweep.returncode == 0, output
    trials = swept.trials()
    counts = marks.count(trials)
    assert (counts.complete, counts.failed, counts.running, counts.waiting) == (10, 0, 0, 0), output
    lost = [trial for trial in trials if marks.condition(trial) == "not_counted"]
    assert lost
    for trial in lost:
        assert trial.user_attrs[marks.OWNER]["host"].startswith("away")
        again = [other for other in trials if other.user_attrs.get(marks.RUN_AGAIN_OF) == trial.number]
        assert [other.params for other in again] == [trial.params]
    assert {"on-away", f"on-{os.uname().nodename}"} <= {path.name for path in swept.folder.glob("on-*")}
