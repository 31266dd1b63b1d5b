"""Hydra plugin `hydra/launcher=ray`: jobs as Ray tasks, on this machine or a running cluster."""
