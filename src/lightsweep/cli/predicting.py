"""`predict.py`: what a finished run's network takes image files, or the rows of CSV files, for."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightsweep.calling import called
from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, load_run, run_folder
from lightsweep.errors import ConfigError, DataError
from lightsweep.files import why_unread, write_csv, written_into
from lightsweep.paths import PredictionPaths, RunPaths

if TYPE_CHECKING:
    from lightsweep.training.predicting import Prediction


def predict() -> None:
    """`run=<folder> [checkpoint=best|last] [out=<folder>] [trust=[my_package]] <file> …`: say what images show.

    Of a run that was trained on a CSV file, the files are such tables, and it is said of each row. Each has a line with
    its label and the probability of that, or with a regression's number. A file that cannot be read is named on stderr,
    the others go on, and the command ends with exit code 2.
    """
    ended_by(_predict, predict)


def _predict() -> None:
    words = sys.argv[1:]
    named = {word for word in words if "=" not in word or Path(word).is_file()}
    files = [Path(word) for word in words if word in named]
    options = arguments(KEYS | {"out"}, [word for word in words if word not in named])
    run = RunPaths(run_folder(options, "predict"))
    if not files:
        call = f"{' '.join(called('predict'))} run=<folder of a run>"
        raise ConfigError(f"no file is named: {call} images/*.png, or rows.csv where the run was trained on a CSV file")
    out = Path(options["out"]) if options.get("out") is not None else run.predictions
    if out.is_file():
        raise ConfigError(f"`out` must be a folder but {out} is a file")
    _refuse_missing(files)
    trained = load_run(options, run.folder)
    from lightsweep.reporting.contact_sheet import MOST
    from lightsweep.training.predicting import predict as predictions

    found: list[Prediction] = []
    bad = 0
    for prediction in predictions(trained, files):
        if isinstance(prediction, DataError):
            bad += 1
            print(f"error: {prediction}", file=sys.stderr)
        else:
            found.append(prediction if len(found) < MOST else replace(prediction, pixels=None))
            place = prediction.path if prediction.row is None else f"{prediction.path}:{prediction.row}"
            chance = "" if prediction.probability is None else f"  {prediction.probability:.4f}"
            print(f"{place}  {prediction.label}{chance}")
    if found:
        paths = PredictionPaths(out)
        _write(found, paths)
        cut = found[0].pixels is not None and len(found) > MOST
        drawn = f"; {paths.sheet.name} shows the first {MOST} of {len(found):,} images" if cut else ""
        print(f"files in {out}{drawn}")
    if bad:
        sys.exit(DataError.exit_code)


def _refuse_missing(files: Sequence[Path]) -> None:
    """End where none of the files is there, before torch is imported."""
    errors = []
    for path in files:
        try:
            if path.is_dir():
                raise IsADirectoryError
            path.stat()
        except OSError as error:
            errors.append(f"error: {path} {why_unread(error, path)}")
    if len(errors) == len(files):
        print(*errors, sep="\n", file=sys.stderr)
        sys.exit(DataError.exit_code)


def _write(found: "Sequence[Prediction]", paths: PredictionPaths) -> None:
    from lightsweep.training.run import make_folder

    make_folder(paths.folder)
    with written_into(paths.folder):
        if found[0].pixels is not None:
            from lightsweep.reporting.contact_sheet import write_sheet

            write_sheet(paths.sheet, [each for each in found if each.pixels is not None])
        write_csv(paths.table, _cells(found))


def _cells(found: "Sequence[Prediction]") -> Iterator[Sequence[Any]]:
    """The table: of images no row is told, and of a regression no probability."""
    place = ("file",) if found[0].row is None else ("file", "row")
    yield *place, *(("value",) if found[0].probability is None else ("label", "probability"))
    for each in found:
        row = () if each.row is None else (each.row,)
        probability = () if each.probability is None else (f"{each.probability:.6f}",)
        yield each.path, *row, each.label, *probability
