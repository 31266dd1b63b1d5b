"""Which file an exported network becomes, and in which format: known before anything heavy is imported."""

from pathlib import Path

from lightsweep.errors import ConfigError

FORMATS = {"onnx": ".onnx", "torch_export": ".pt2"}
"""The formats and how their files' names end."""


def exported_file(format: str | None, out: str | None, folder: Path) -> tuple[str, Path]:
    """The format and the file that a user means who names either, both or none.

    Args:
        format: None for what `out` says by its end, or `onnx`.
        out: None for `model.onnx` or `model.pt2` in `folder`.
        folder: that of a run's exports.

    Raises:
        ConfigError: see `refuse_file`; or `out` alone, which says no format.
    """
    path = None if out is None else Path(out)
    if format is None and path is not None:
        refuse_folder(path)
        format = next((name for name, suffix in FORMATS.items() if suffix == path.suffix.lower()), None)
        if format is None:
            raise ConfigError(
                f"`out` must end in {' or '.join(FORMATS.values())}, or name `format` too, but got {path}"
            )
    format = format if format is not None else "onnx"
    path = path if path is not None else folder / f"model{FORMATS.get(format, '')}"
    refuse_file(format, path)
    return format, path


def refuse_file(format: str, path: Path) -> None:
    """Raise ConfigError for a format that is none, a file that is named as another format's, and a folder."""
    if format not in FORMATS:
        raise ConfigError(f"`format` must be one of {', '.join(FORMATS)} but got {format!r}")
    refuse_folder(path)
    if path.suffix.lower() != FORMATS[format] and path.suffix.lower() in FORMATS.values():
        raise ConfigError(f"`out` must end in {FORMATS[format]} for format={format} but got {path}")


def refuse_folder(path: Path) -> None:
    """Raise ConfigError for a file's name that a folder has."""
    if path.is_dir():
        raise ConfigError(f"`out` must be a file but {path} is a folder")
