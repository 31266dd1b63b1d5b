"""Where Hydra finds `sweeps/`."""
