"""`lightsweep new <folder>`: a project of one's own that runs at once."""

import json
import keyword
import re
import string
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lightsweep.cli.ending import ended_by
from lightsweep.errors import ConfigError
from lightsweep.files import write_text
from lightsweep.paths import PACKAGE, template_dir

_PLACES = {"gitignore": ".gitignore", "ci.yml": ".github/workflows/ci.yml"}
"""Files that lie in the template under another name than in a project."""

_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?")
"""Python's identifiers that are a distribution's name too: PyPA's "Names and normalization"."""

_TAKEN = ("tests", "conf", "sweeps", "data", "outputs", "shared", "hydra_plugins")
"""Folders of a project that are not its package, by case folded: some file systems do not tell it apart."""

_SOURCES = """
[tool.uv.sources]
lightsweep = {{ path = {path}{editable} }}
"""

_NOTE = """
`pyproject.toml` takes lightsweep from where it lies on this machine (`[tool.uv.sources]`). Colleagues and CI have no
such place: name a git repository or a path of theirs there, or leave the lines out where an index has lightsweep.
"""


def new() -> None:
    """`<folder>`: make a project of your own, which bears the folder's name and runs at once."""
    ended_by(_new, new)


def _new() -> None:
    if len(sys.argv) != 2:
        raise ConfigError("one folder must be named: lightsweep new my_project")
    folder = Path(sys.argv[1])
    for path in make_project(folder):
        print(f"  {path}")
    print(f"next: cd {folder} && python train.py")


def make_project(folder: Path) -> list[Path]:
    """Write a project into a folder that is new or empty; its package bears the folder's name.

    Returns:
        The files.

    Raises:
        ConfigError: a folder that holds something or cannot be written, or whose name cannot be a package's.
    """
    name = folder.absolute().name
    package = name.replace("-", "_")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already, and not an empty folder")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a project's name must be like net or my-net_2, of ASCII letters, digits, - and _, but is {name!r}"
        )
    if keyword.iskeyword(package):
        raise ConfigError(f"a project's package is named like it, but {package!r} is a word of Python's own")
    if package.casefold() in _TAKEN:
        raise ConfigError(
            f"a project's package is named like it, but a project's folder {package.casefold()} is another"
        )
    if package in sys.stdlib_module_names or _installed(name, package):
        raise ConfigError(f"a project's package is named like it, but there is a package {name!r} already")
    made, further = [], _source_texts(_source())
    for source in sorted(path for path in template_dir().rglob("*") if path.is_file() and path.suffix != ".pyc"):
        inside = source.relative_to(template_dir()).as_posix()
        target = folder / _PLACES.get(inside, inside.replace("package/", f"{package}/"))
        text = string.Template(source.read_text(encoding="utf-8")).substitute(name=name, package=package)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, text + further.get(inside, ""))
        except OSError as error:
            raise ConfigError(f"{target} cannot be written: {error.strerror}") from None
        made.append(target)
    return made


def _installed(name: str, package: str) -> bool:
    """Whether Python finds another package of that name, or an installer would take the project for another."""
    if any(True for _ in metadata.Distribution.discover(name=name)):
        return True
    spec = find_spec(package)
    if spec is None or spec.origin is not None:
        return spec is not None
    # without an origin it is a mere folder, unless it lies where packages of several distributions share it
    return any(
        {"site-packages", "dist-packages"} & {*Path(place).parts} for place in spec.submodule_search_locations or ()
    )


def _source() -> Path | None:
    """The folder or the wheel that this lightsweep is of; None where it came from an index.

    Source: PyPA's "Recording the Direct URL Origin of installed distributions".
    """
    root = PACKAGE.parents[1]
    if PACKAGE.parent.name == "src" and (root / "pyproject.toml").is_file():
        return root
    for distribution in metadata.Distribution.discover(name="lightsweep"):
        url = urlsplit(json.loads(distribution.read_text("direct_url.json") or "{}").get("url", ""))
        place = Path(url2pathname(url.path))
        return place if url.scheme == "file" and place.exists() else None
    return None


def _source_texts(source: Path | None) -> dict[str, str]:
    """What files of a project say of it at their end."""
    if source is None:
        return {}
    editable = ", editable = true" if source.is_dir() else ""
    path = json.dumps(str(source), ensure_ascii=False)  # a basic string of TOML is written like JSON's
    return {"pyproject.toml": _SOURCES.format(path=path, editable=editable), "README.md": _NOTE}
