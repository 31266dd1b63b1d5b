"""Executes the notebooks and saves what they show: `python docs/notebooks/execute.py`; runs go below `outputs/`."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent


def executed(path: Path, folder: Path) -> NotebookNode:
    """A notebook after all its cells have run in a folder.

    Raises:
        CellExecutionError: a cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ each time
    return notebook


if __name__ == "__main__":
    for path in sorted(HERE.glob("*.ipynb")):
        nbformat.write(executed(path, HERE.parents[1]), path)
