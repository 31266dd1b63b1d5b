"""The passwords in URLs, which are neither printed nor written."""

import re
from typing import Any
from urllib.parse import unquote, unquote_plus


def masked(text: str, url: Any = None) -> str:
    """`text` without the passwords of the URLs in it, and without those of `url`, if it is one, wherever they stand.

    A part of a longer word, as `postgres` of `postgresql`, is no password.
    """
    for password in sorted(passwords(url) if isinstance(url, str) else [], key=len, reverse=True):
        text = re.sub(rf"(?:\b|(?=\W)){re.escape(password)}(?:\b|(?<=\W))", "***", text)
    text = re.sub(r"([?&]password=)[^&\s]*", r"\1***", text)
    return re.sub(r"(\w[\w+.-]*://[^/\s:]*:)\S*@", r"\1***@", text)


def passwords(url: str) -> set[str]:
    """What a message may tell of a URL's passwords, plain and as the URL quotes them.

    To SQLAlchemy a password may hold `/`, `?` and `#` and ends at the first `@`; people also write an `@` into it.
    """
    login = re.match(r"[\w+.-]+://[^/:]*:(([^@]*)@?(.*))@", url)
    written = {*(login.groups() if login else ()), *re.findall(r"[?&]password=([^&]*)", url)}
    return (written | {unquote(word) for word in written} | {unquote_plus(word) for word in written}) - {""}
