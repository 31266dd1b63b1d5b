"""Imported by the warm server where a sweep's study is in a database: what each job would otherwise import to open it.

SQLAlchemy, Alembic and a driver take a second; Optuna imports most of them when it opens its first database.
"""

from contextlib import suppress

import sqlalchemy
from optuna.storages import RDBStorage

from lightsweep.sweeping.server import DIALECTS

for dialect in DIALECTS:
    with suppress(ImportError):  # a driver that is not installed
        sqlalchemy.create_engine(f"{dialect}://")
_storage = RDBStorage("sqlite://")
_storage.remove_session()
_storage.engine.dispose()
