"""What to do about a storage that cannot be used: told by what drivers say, which have no types of their own for it."""

import re
from pathlib import Path

_KINDS = "journal:<file>, sqlite:///<file>, postgresql://…, mysql://… or grpc://…"
_ADVICE = {
    r"needs the (package|driver)": "install it as that line says",
    r"is no journal|is no SQLite|another program": "name another file, or one that is not there yet",
    r"locked": "end the program that holds {file}",
    r"read-?only|permission denied|unable to open": "let yourself write {file} and its folder, or name another file",
    r"load plugin|must be a URL": f"write {_KINDS}",
    r"resolve host|service not known|translate host": "check the host's name in the URL",
    r"password (auth|supp)|using password|role .* does not exist": (
        "check user and password; in it write `@`, `:` and `/` as %40, %3A and %2F"
    ),
    r"does not exist|Unknown database|to database": "make the database on its server, and let the user write it",
    r"refused|timeout|timed out|Can't connect|unreachable": "start its server, or check host and port in the URL",
}


def advice(told: str, file: Path | None) -> str:
    """What to do about a storage of which this is told.

    Args:
        told: the error's text.
        file: the storage's own, where it is one.
    """
    found = next((text for pattern, text in _ADVICE.items() if re.search(pattern, told, re.IGNORECASE)), None)
    otherwise = "check the URL" if file is None else "name another file, or one that is not there yet"
    return (found or otherwise).format(file=file)
