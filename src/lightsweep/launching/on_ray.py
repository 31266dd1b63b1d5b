"""Errands as Ray tasks: Ray places them by CPUs, GPUs and fractions of them, on this machine or a running cluster."""

import logging
import math
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lightsweep.errors import ConfigError, lines_of
from lightsweep.launching.outcome import JobDied, Outcome, read_answer
from lightsweep.launching.remote import Errand
from lightsweep.launching.work_order import SECRET

log = logging.getLogger(__name__)

WAIT_S = 0.5
CONNECT_S = 10.0
_TOKEN = "; if it has token authentication, put its token into ~/.ray/auth_token or RAY_AUTH_TOKEN"


@dataclass(frozen=True)
class RaySettings:
    """The user's settings, under `hydra.launcher`.

    Args:
        address: None starts Ray on this machine for the time of the launch; "auto", "host:port" or "ray://host:port"
            joins a running cluster.
        num_cpus: cores that one job takes.
        num_gpus: GPUs that one job takes, fractions allowed; None for one where the cluster has any, else none.
        resources: custom resources that one job takes, by name.
        init: further arguments of `ray.init`.
    """

    address: str | None = None
    num_cpus: float = 1
    num_gpus: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    init: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("num_cpus", "num_gpus"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 <= value < math.inf):
                raise ConfigError(f"`hydra.launcher.{name}` must be a finite number of at least 0 but got {value!r}")
        if self.num_gpus is not None and self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise ConfigError(
                f"`hydra.launcher.num_gpus` must be a whole number or a part of one GPU but got {self.num_gpus}"
            )


class RayCarrier:
    """A `Carrier` by Ray; joins or starts it when it is made. Ray ends with this process if it was started here.

    Raises:
        ConfigError: there is no such cluster, it refuses this process, or it has no room for even one job.
    """

    def __init__(self, settings: RaySettings) -> None:
        import ray

        self._ray = ray
        if not ray.is_initialized():
            _join(settings)
        room = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        num_gpus = settings.num_gpus
        if num_gpus is None:
            num_gpus = 1 if any(node.get("GPU", 0) >= 1 for node in room) else 0
        needs = {"CPU": settings.num_cpus, "GPU": num_gpus, **settings.resources}
        if not any(all(node.get(name, 0) >= amount for name, amount in needs.items() if amount) for node in room):
            wanted = ", ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount)
            text = f"no node of the Ray cluster has what one job takes by `hydra.launcher`: {wanted}"
            if settings.address is None:
                raise ConfigError(text)
            log.warning(f"{text}; waiting for one that has")
        # A lost task is sent again by `run_remotely`, which counts; a task is spread, or small ones fill one node.
        self._task = ray.remote(
            num_cpus=settings.num_cpus,
            num_gpus=num_gpus,
            resources=dict(settings.resources),
            max_retries=0,
            scheduling_strategy="SPREAD",
        )(_run)
        self._functions: dict[bytes, Any] = {}

    def send(self, errands: Sequence[Errand]) -> Sequence[Any]:
        """Submit a task for each; the function, the same for all, is sent to each node once."""
        handles = []
        for errand in errands:
            assert isinstance(errand.function, bytes)
            if errand.function not in self._functions:
                self._functions[errand.function] = self._ray.put(errand.function)
            light = replace(errand, function=b"")
            handles.append(self._task.remote(light, self._functions[errand.function], os.environ.get(SECRET)))
        return handles

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Outcome]:
        """Tasks that have ended, after half a second at most."""
        ready, _ = self._ray.wait(list(handles), num_returns=len(handles), timeout=WAIT_S)
        return {handle: self._outcome(handle) for handle in ready}

    def cancel(self, handles: Sequence[Any], kill: bool) -> None:
        """A task that runs gets SIGINT, or is killed; one that waits never starts."""
        for handle in handles:
            self._ray.cancel(handle, force=kill)

    def _outcome(self, handle: Any) -> Outcome:
        try:
            return read_answer(self._ray.get(handle))
        except self._ray.exceptions.RayTaskError as error:  # its own code failed, such as an import on that node
            return Outcome(error=error)
        except self._ray.exceptions.RayError as error:
            return Outcome(error=JobDied(f"was lost: {lines_of(error)[0]}"))


def _run(errand: Errand, function: bytes, secret: str | None) -> bytes:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if secret is not None:  # a cluster's processes have an environment of their own
        os.environ[SECRET] = secret
    return replace(errand, function=function)()


def _join(settings: RaySettings) -> None:
    import ray

    options: dict[str, Any] = {"logging_level": logging.ERROR, **settings.init}
    if settings.address is None:
        options.setdefault("include_dashboard", False)
        if settings.num_gpus and "num_gpus" not in options and os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            raise ConfigError("`hydra.launcher.num_gpus` is set, but CUDA_VISIBLE_DEVICES hides all GPUs")
    elif settings.address != "auto":
        _knock(settings.address)
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=settings.address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError, TypeError, OSError, ray.exceptions.RayError) as error:
        where = "start Ray on this machine" if settings.address is None else f"join {settings.address}"
        # Ray says no more than that of a process whose token is not the cluster's
        hint = _TOKEN if lines_of(error)[0].startswith("Failed to connect to Ray cluster") else ""
        raise ConfigError(f"`hydra/launcher=ray` cannot {where}: {lines_of(error)[0]}{hint}") from None
    finally:
        if signal.getsignal(signal.SIGTERM) is not terminated:  # Ray's own exits with 15, and says nothing
            signal.signal(signal.SIGTERM, terminated)


def _knock(address: str) -> None:
    """See whether anybody listens there: Ray itself would try for many minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except ValueError:
        raise ConfigError(
            f"`hydra.launcher.address` must be auto, HOST:PORT or ray://HOST:PORT but got {address!r}"
        ) from None
    except OSError as error:
        raise ConfigError(f"`hydra/launcher=ray` cannot join {address}: {error.strerror or error}") from None
