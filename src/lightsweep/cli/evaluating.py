"""`evaluate.py`: a finished run on the test set."""

from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.trained_run import KEYS, chosen_checkpoint, run_folder, trusted
from lightsweep.imports import lean_imports


def evaluate() -> None:
    """`run=<folder> [checkpoint=best|last] [trust=[my_package]]`: print a finished run's metrics on the test set."""
    ended_by(_evaluate, evaluate)


def _evaluate() -> None:
    options = arguments(KEYS)
    folder = run_folder(options, "evaluate")
    checkpoint, trust = chosen_checkpoint(options, folder), trusted(options)
    lean_imports()
    from lightsweep.reporting.summary import print_metrics
    from lightsweep.training import evaluate as evaluate_run

    print_metrics(evaluate_run(folder, checkpoint, trust))
