"""Tell image files by a finished run: `python predict.py run=outputs/<a run> images/*.png`."""

from lightsweep.cli.predicting import predict

if __name__ == "__main__":
    predict()
