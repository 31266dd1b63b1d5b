"""Export a finished run: `python export.py run=outputs/<a run> format=onnx`."""

from lightsweep.cli.exporting import export
from lightsweep.exiting import run_program

if __name__ == "__main__":
    run_program(export)
