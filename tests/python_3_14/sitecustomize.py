"""What programs of others need on Python 3.14, where Hydra 1.3 does not start by itself; as docs/sweeps.md says."""

import argparse

argparse.ArgumentParser._check_help = lambda *_: None  # type: ignore[attr-defined]
