"""Train a model: `python train.py optimizer=adagrad`."""

from lightsweep.cli import train
from lightsweep.exiting import run_program

if __name__ == "__main__":
    run_program(train)
