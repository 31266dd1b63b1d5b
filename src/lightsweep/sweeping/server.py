"""Storages on a server: PostgreSQL, MySQL and whatever else SQLAlchemy has a URL for, and Optuna's gRPC proxy."""

import random
import re
import time
import warnings
from typing import Any
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage

from lightsweep.errors import ConfigError
from lightsweep.imports import how_to_install

CONNECT_TIMEOUT_S = 10
GRPC_PORT = 13000
_RACES = 10

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg", "postgresql"),
    "postgres": ("postgresql+psycopg", "psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mysql+pymysql", "pymysql", "mysql"),  # to Optuna they are one
}
"""By a URL's scheme without a driver: the scheme with ours, the driver's package, and our extra that installs it."""

DIALECTS = sorted({scheme for scheme, _, _ in _DRIVERS.values()})


def open_server(url: str) -> BaseStorage:
    """Connect, and make Optuna's tables where they are missing.

    Raises:
        ConfigError: the package for it is not installed.
        ConnectionError: the gRPC proxy does not answer.
        Exception: whatever the driver raises when the server cannot be reached or refuses.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "grpc":
        return _open_grpc(url)
    scheme, package, extra = _DRIVERS.get(scheme, (scheme, "", ""))
    try:
        return get_storage(_open_database(f"{scheme}://{rest}", _engine_settings(scheme)))
    except ImportError as error:
        if not package:
            base = scheme.partition("+")[0]
            other = f", or write {base}://, which takes {_DRIVERS[base][1]}" if base in _DRIVERS else ""
            raise ConfigError(
                f"`hydra.sweeper.storage` needs the driver of {scheme}://, which is not installed: install it{other}"
            ) from error
        raise ConfigError(
            f"`hydra.sweeper.storage` needs the package {package}: {how_to_install(f'lightsweep[{extra}]')}"
        ) from error


def _open_database(url: str, settings: dict[str, Any]) -> RDBStorage:
    """Open it again where somebody else, who opened it at the same moment, has made the tables first."""
    for _ in range(_RACES):
        try:
            return RDBStorage(url, engine_kwargs=settings)
        except Exception as error:
            if not re.search("already exists|duplicate", str(error), re.IGNORECASE):
                raise
        time.sleep(random.uniform(0.1, 1.0))
    return RDBStorage(url, engine_kwargs=settings)


def _engine_settings(scheme: str) -> dict[str, Any]:
    """Connections are looked at before each use, and one that a firewall swallows fails in seconds, not minutes."""
    timed = scheme.partition("+")[0] in ("postgresql", "mysql", "mariadb")
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_TIMEOUT_S} if timed else {}}


def _open_grpc(url: str) -> BaseStorage:
    address = urlsplit(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # docs/sweeps.md says it
        storage = GrpcStorageProxy(host=address.hostname or "localhost", port=address.port or GRPC_PORT)
    try:
        storage.wait_server_ready(CONNECT_TIMEOUT_S)
    except ConnectionError as error:
        at = f"{address.hostname or 'localhost'}:{address.port or GRPC_PORT}"
        raise ConnectionError(f"no gRPC proxy answers at {at}: {error}") from error
    return storage
