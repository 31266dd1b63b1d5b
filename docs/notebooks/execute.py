"""Executes the notebooks and saves what they show: `python docs/notebooks/execute.py`; runs go below `outputs/`."""

import os
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
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_bar(output)]
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = output.text.replace(f"{folder}{os.sep}", "")  # where it ran is nobody's business
    return notebook


def _is_bar(output: NotebookNode) -> bool:
    """Whether it is a bar, or what is left of one that is gone: neither can be seen in a saved notebook."""
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data or ("text/plain" in data and not data["text/plain"])


if __name__ == "__main__":
    for path in sorted(HERE.glob("*.ipynb")):
        nbformat.write(executed(path, HERE.parents[1]), path)
