"""Hydra plugin `hydra/launcher=local`: one fresh process a job, one job a device slot."""
