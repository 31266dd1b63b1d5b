"""Export a finished run: `python export.py run=outputs/<a run> format=onnx`."""

from lightsweep.cli.exporting import export

if __name__ == "__main__":
    export()
