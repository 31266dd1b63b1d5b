"""Real database servers on loopback, from the distribution's packages, each in a folder of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage

from tests.ports import free_port

PASSWORD = "pa55-w0rd"
_START_S = 120


def _postgres_program(name: str) -> str:
    """PostgreSQL's server programs are on no path in Debian; the newest version's, or the bare name."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


def _system_program(name: str) -> str:
    """A program that may lie where the system's own do, which is on no ordinary user's path; else the bare name."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or name


class Server:
    """A server that can be stopped, and started again with what it holds.

    Servers refuse to run as root; started by root, they run as the user that their package made.
    """

    programs: tuple[str, ...]
    user: str

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"lightsweep-{self.user}-"))
        if getpass.getuser() == "root":
            shutil.chown(self.folder, self.user)
        self._process: subprocess.Popen[bytes] | None = None
        self._num_databases = 0
        self.make()
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.as_user(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + _START_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Break all connections off and end the server, as a restart does."""
        assert self._process is not None
        self.end_gently()
        self._process.wait(60)
        self._process = None

    def close(self) -> None:
        """End the server and remove its folder."""
        if self._process is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def as_user(self, command: list[str]) -> list[str]:
        """The command as it is run: by the package's user where this process is root."""
        return [_system_program("runuser"), "-u", self.user, "--", *command] if getpass.getuser() == "root" else command

    def run(self, command: list[str]) -> None:
        """Run one of the package's programs to its good end."""
        done = subprocess.run(self.as_user(command), capture_output=True, text=True, timeout=_START_S, cwd="/")
        assert done.returncode == 0, done.stderr

    def database(self) -> str:
        """The URL of a new, empty database, with its password."""
        self._num_databases += 1
        return self.create(f"sweep{self._num_databases}")

    def make(self) -> None: ...
    def command(self) -> list[str]: ...  # type: ignore[empty-body]
    def answers(self) -> bool: ...  # type: ignore[empty-body]
    def end_gently(self) -> None: ...
    def create(self, name: str) -> str: ...  # type: ignore[empty-body]


class PostgresServer(Server):
    programs = (_postgres_program("initdb"), _postgres_program("postgres"))
    user = "postgres"

    def make(self) -> None:
        word = self.folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        self.run([self.programs[0], "-D", str(self.folder / "data"), "-U", "sweeper", "--auth=scram-sha-256",
                  f"--pwfile={word}", "--no-sync", "--locale=C", "-E", "UTF8"])  # fmt: skip

    def command(self) -> list[str]:
        return [self.programs[1], "-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder),
                "-h", "127.0.0.1", "-F"]  # fmt: skip

    def _connect(self):  # type: ignore[no-untyped-def]
        import psycopg

        return psycopg.connect(host="127.0.0.1", port=self.port, user="sweeper", password=PASSWORD, dbname="postgres",
                               autocommit=True, connect_timeout=10)  # fmt: skip

    def answers(self) -> bool:
        import psycopg

        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def end_gently(self) -> None:
        self.run([_postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-m", "fast", "stop"])

    def create(self, name: str) -> str:
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://sweeper:{PASSWORD}@127.0.0.1:{self.port}/{name}"


class MariaServer(Server):
    programs = ("mariadb-install-db", "mariadbd")
    user = "mysql"

    def make(self) -> None:
        self.run([self.programs[0], "--no-defaults", f"--datadir={self.folder / 'data'}",
                  "--auth-root-authentication-method=normal", "--skip-test-db"])  # fmt: skip

    def command(self) -> list[str]:
        program = _system_program(self.programs[1])
        return [program, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}",
                f"--socket={self._socket}", f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1",
                "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]  # fmt: skip

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    def _execute(self, *statements: str) -> None:
        import pymysql

        with pymysql.connect(unix_socket=str(self._socket), user="root", connect_timeout=10) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as caller:
            return caller.connect_ex(str(self._socket)) == 0

    def end_gently(self) -> None:
        self._execute("SHUTDOWN")

    def create(self, name: str) -> str:
        self._execute(
            f"CREATE DATABASE {name}",
            f"CREATE USER IF NOT EXISTS sweeper@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL ON {name}.* TO sweeper@'127.0.0.1'",
        )
        return f"mysql://sweeper:{PASSWORD}@127.0.0.1:{self.port}/{name}"


def away(server: Server, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Stop the server for some seconds."""
    server.stop()
    meanwhile()
    time.sleep(seconds)
    server.start()


@pytest.fixture(autouse=True)
def connections_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes what this process opened: what the garbage collector finds open fails whichever test is on."""
    opened: list[RDBStorage] = []
    begin = RDBStorage.__init__

    def remember(self: RDBStorage, *args: Any, **kwargs: Any) -> None:
        opened.append(self)  # before it may raise with its connection open
        begin(self, *args, **kwargs)

    monkeypatch.setattr(RDBStorage, "__init__", remember)
    yield
    for storage in opened:
        if hasattr(storage, "engine"):
            storage.engine.dispose()
