"""The study, its storage and its trials, behind the Hydra sweeper."""
