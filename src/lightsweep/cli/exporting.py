"""`export.py`: a finished run's network as ONNX or torch.export's file, verified on the whole test set."""

from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, load_run, run_folder
from lightsweep.exported_file import exported_file
from lightsweep.paths import RunPaths


def export() -> None:
    """`run=<folder> [format=onnx|torch_export] [checkpoint=best|last] [out=<file>] [trust=[my_package]]`: write a file.

    It holds a finished run's network for other programs, and is compared with it on the whole test set.
    """
    ended_by(_export, export)


def _export() -> None:
    options = arguments(KEYS | {"format", "out"})
    format, out = (options.get(key) for key in ("format", "out"))
    run = RunPaths(run_folder(options, "export"))
    format, path = exported_file(format, out, run.exports)
    trained = load_run(options, run.folder)
    from lightsweep.training.exporting import export as write

    found = write(trained, format, path)
    print(f"{found.path}: equal on {found.examples:,} test examples, largest deviation {found.deviation:.2g}")
