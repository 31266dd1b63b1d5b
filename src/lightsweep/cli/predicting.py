"""`predict.py`: what a finished run's network takes image files, or the rows of CSV files, for."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightsweep.calling import called
from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, load_run, run_folder
from lightsweep.errors import ConfigError, DataError
from lightsweep.files import make_folder, why_unread, write_csv, written_into
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
    from lightsweep.training.predicting import predict as predictions

    told = _Told()
    lines = told.of(predictions(trained, files))
    first = next(lines, None)
    if first is not None:
        _write(first, lines, told, PredictionPaths(out))
    if told.bad:
        sys.exit(DataError.exit_code)


class _Told:
    """Prints predictions as they come, and hands them on.

    Attributes:
        count: predictions so far.
        bad: files so far that could not be read.
        shown: the images for the sheet.
    """

    def __init__(self) -> None:
        from lightsweep.reporting.contact_sheet import MOST

        self.count = self.bad = 0
        self.shown: list[Prediction] = []
        self._most = MOST

    def of(self, predictions: "Iterable[Prediction | DataError]") -> "Iterator[Prediction]":
        """Print each; what is wrong with a file goes to stderr."""
        for prediction in predictions:
            if isinstance(prediction, DataError):
                self.bad += 1
                print(f"error: {prediction}", file=sys.stderr)
                continue
            self.count += 1
            if prediction.pixels is not None and self.count <= self._most:
                self.shown.append(prediction)
            place = prediction.path if prediction.row is None else f"{prediction.path}:{prediction.row}"
            chance = "" if prediction.probability is None else f"  {prediction.probability:.4f}"
            print(f"{place}  {prediction.label}{chance}")
            yield prediction


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


def _write(first: "Prediction", others: "Iterable[Prediction]", told: _Told, paths: PredictionPaths) -> None:
    make_folder(paths.folder, advice="; name another place: out=<folder>")
    with written_into(paths.folder):
        write_csv(paths.table, _cells(first, others))
        if told.shown:
            from lightsweep.reporting.contact_sheet import write_sheet

            write_sheet(paths.sheet, told.shown)
    cut = 0 < len(told.shown) < told.count
    drawn = f"; {paths.sheet.name} shows the first {len(told.shown)} of {told.count:,} images" if cut else ""
    print(f"files in {paths.folder}{drawn}")


def _cells(first: "Prediction", others: "Iterable[Prediction]") -> Iterator[Sequence[Any]]:
    """The table: of images no row is told, and of a regression no probability."""
    place = ("file",) if first.row is None else ("file", "row")
    yield *place, *(("value",) if first.probability is None else ("label", "probability"))
    for each in chain([first], others):
        row = () if each.row is None else (each.row,)
        probability = () if each.probability is None else (f"{each.probability:.6f}",)
        yield each.path, *row, each.label, *probability
