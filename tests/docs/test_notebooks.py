"""The notebooks run from top to bottom, and what is saved in them is what a run of them showed."""

import json
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute():
    pytest.importorskip("nbclient", reason="needs the dependency group docs: uv run --group docs pytest tests/docs")
    return runpy.run_path(str(FOLDER / "execute.py"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_runs(execute, name, tmp_path):
    notebook = execute["executed"](FOLDER / name, tmp_path)

    assert list(tmp_path.rglob("result.json")), "it trained something"
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_code_cell_was_run_in_order_before_it_was_saved(name):
    cells = [cell for cell in json.loads((FOLDER / name).read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
