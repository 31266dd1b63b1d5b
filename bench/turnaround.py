"""S7: the time between two epochs, beyond the validation's own arithmetic."""

from collections.abc import Iterator
from copy import deepcopy
from statistics import median

from bench.baselines import raw_loop
from bench.measure import Goal, Row, Sample
from bench.moments import now
from bench.options import Options
from bench.session import FirstBatchEnd, Session, session

PAIRS = 20


class RawValidation:
    """The validation's forward passes, losses and counts, on the same tensors.

    Attributes:
        seconds: of each time.
    """

    def __init__(self, ours: Session) -> None:
        self._net = deepcopy(ours.parts.model.net).to(ours.device)
        self._loader, self._device = ours.parts.datamodule.val_dataloader, ours.device
        self.seconds: list[float] = []

    def evaluate(self) -> None:
        """Evaluate once."""
        batches = self._loader()
        began = now(self._device)
        raw_loop.evaluate(self._net, batches, self._device)
        self.seconds.append(now(self._device) - began)


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    pairs = options.pairs or PAIRS
    with session("model=softmax_regression", f"trainer.max_epochs={pairs + 2}") as ours:
        raw = RawValidation(ours)
        ours.fit(FirstBatchEnd(raw.evaluate))
    between = list(zip(ours.before.last_batch_ends, ours.before.first_batch_starts[1:], strict=False))
    gaps = [1e3 * (start - end) for end, start in between][1:]
    arithmetic = [1e3 * value for value in raw.seconds[2:]]
    beyond = [gap - own for gap, own in zip(gaps, arithmetic, strict=True)]
    yield Row(
        "S7",
        "between two epochs, beyond validation",
        median(gaps) - median(arithmetic),
        (min(beyond), max(beyond)),
        len(beyond),
        Goal(30, at_most=True, unit="ms"),
        (Sample("between", tuple(gaps), "ms"), Sample("validation's arithmetic", tuple(arithmetic), "ms")),
        compared="softmax regression on MNIST: from the end of an epoch's last training step to the start of the next "
        "one's first (validation of 5,000 images, the checkpoint, CSV, TensorBoard, the epoch's line, "
        "the next permutation), minus the forward passes, losses and counts of that validation alone",
    )
