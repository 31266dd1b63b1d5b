"""`export.py`: a finished run's network as ONNX or torch.export's file, verified on the whole test set."""

from pathlib import Path

from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, load_run, run_folder
from lightsweep.paths import RunPaths


def export() -> None:
    """`run=<folder> [format=onnx|torch_export] [checkpoint=best|last] [out=<file>]`: write a finished run's network."""
    ended_by(_export, export)


def _export() -> None:
    options = {"format": "onnx"} | arguments(KEYS | {"format", "out"})
    run = RunPaths(run_folder(options, "export.py"))
    trained = load_run(options, run.folder)
    from lightsweep.training.exporting import FORMATS
    from lightsweep.training.exporting import export as write

    format = str(options["format"])
    default = run.exports / f"model{FORMATS.get(format, '')}"
    found = write(trained, format, Path(str(options["out"])) if options.get("out") is not None else default)
    print(f"{found.path}: equal on {found.examples:,} test examples, largest deviation {found.deviation:.2g}")
