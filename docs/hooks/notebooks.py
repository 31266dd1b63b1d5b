"""Shows the notebooks as pages: their text, code, and the outputs that are saved in them."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter


def on_files(files: Files, config: Any) -> Files:
    """Add one page a notebook, and its pictures beside it."""
    for notebook in sorted(Path(config.docs_dir).glob("notebooks/*.ipynb")):
        text, resources = MarkdownExporter().from_filename(
            str(notebook), {"output_files_dir": f"{notebook.stem}_files"}
        )
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=text))
        for name, content in resources["outputs"].items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files
