"""What the command line says about how much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        pairs: pairs of readings of each measure; None for each measure's own number.
        epochs: epochs of S3's commands, and after which S5's tutorial program gives up; None for their own numbers.
        seeds: runs of S5 and S8.
    """

    pairs: int | None = None
    epochs: int | None = None
    seeds: int = 5
