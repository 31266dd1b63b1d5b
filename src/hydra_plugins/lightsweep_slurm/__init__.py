"""Hydra plugin `hydra/launcher=slurm`: jobs in SLURM job arrays, by submitit."""
