"""The Hydra sweeper `optuna` of lightsweep; the work is done in `lightsweep.sweeping`."""
