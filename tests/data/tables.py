"""A table of a test's own."""

from pathlib import Path


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "written.csv"
    path.write_text(text)
    return str(path)
