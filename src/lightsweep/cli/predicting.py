"""`predict.py`: what a finished run's network takes image files for."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, load_run, run_folder
from lightsweep.errors import ConfigError, DataError
from lightsweep.files import write_csv, written_into
from lightsweep.paths import PredictionPaths, RunPaths

if TYPE_CHECKING:
    from lightsweep.training.predicting import Prediction


def predict() -> None:
    """`run=<folder> [checkpoint=best|last] [out=<folder>] [trust=[my_package]] <image> …`: name what images show.

    Each has a line with its label and the probability of that. A file that cannot be read is named on stderr, the
    others go on, and the command ends with exit code 2.
    """
    ended_by(_predict, predict)


def _predict() -> None:
    words = sys.argv[1:]
    named = {word for word in words if "=" not in word or Path(word).is_file()}
    files = [Path(word) for word in words if word in named]
    options = arguments(KEYS | {"out"}, [word for word in words if word not in named])
    run = RunPaths(run_folder(options, "predict"))
    if not files:
        raise ConfigError("no image is named: predict.py run=<folder of a run> images/*.png")
    out = Path(str(options["out"])) if options.get("out") is not None else run.predictions
    if out.is_file():
        raise ConfigError(f"`out` must be a folder but {out} is a file")
    trained = load_run(options, run.folder)
    from lightsweep.training.predicting import predict as predictions

    found, bad = [], 0
    for prediction in predictions(trained, files):
        if isinstance(prediction, DataError):
            bad += 1
            print(f"error: {prediction}", file=sys.stderr)
        else:
            found.append(prediction)
            print(f"{prediction.path}  {prediction.label}  {prediction.probability:.4f}")
    if found:
        _write(found, PredictionPaths(out))
        print(f"files in {out}")
    if bad:
        sys.exit(DataError.exit_code)


def _write(found: "Sequence[Prediction]", paths: PredictionPaths) -> None:
    from lightsweep.reporting.contact_sheet import write_sheet
    from lightsweep.training.run import make_folder

    make_folder(paths.folder)
    rows = [(prediction.path, prediction.label, f"{prediction.probability:.6f}") for prediction in found]
    with written_into(paths.folder):
        write_sheet(paths.sheet, found)
        write_csv(paths.table, [("file", "label", "probability"), *rows])
