"""Train a model: `python train.py optimizer=adagrad`."""

from lightsweep.cli import train

if __name__ == "__main__":
    train()
