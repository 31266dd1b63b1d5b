"""Tell image files, or a CSV file's rows, by a finished run: `python predict.py run=outputs/<a run> images/*.png`."""

from lightsweep.cli.predicting import predict
from lightsweep.exiting import run_program

if __name__ == "__main__":
    run_program(predict)
