"""S1: our training step against a raw PyTorch loop's, on the same tensors.

Both sides train in one process and take turns after each of our chunks (100 steps), so that whatever else the machine
does falls on both alike; a reading is an epoch's sum.
"""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim import SGD

from bench.baselines import raw_loop
from bench.measure import Goal, Row, Sample, ratio_row
from bench.moments import now
from bench.options import Options
from bench.session import ChunkEnd, Session, session

MODELS = {"softmax_regression": 25, "mlp": 15, "convnet": 5}
"""Pairs of epochs by default; a short epoch takes more of them."""

LIMITS = {"convnet": ("trainer.limit_train_batches=200",)}
"""Further overrides; 200 steps of a ConvNet are enough for a reading."""

CHECKED_BATCHES = 100


class RawSide:
    """The raw loop over a session's tensors, from a copy of its weights, through the same batches.

    Attributes:
        seconds: of each epoch's training.
        last_turns: seconds of each epoch's last turn, a part of them.
    """

    def __init__(self, ours: Session) -> None:
        self.net = deepcopy(ours.parts.model.net).to(ours.device).train()
        self.optimizer = SGD(self.net.parameters(), lr=0.01, momentum=0.9, fused=True)
        self.device, self.bf16 = ours.device, ours.bf16
        self.order = ours.parts.datamodule.order
        self.seconds: list[float] = []
        self.last_turns: list[float] = []
        self._loader = ours.parts.datamodule.train_dataloader
        self._batches: list[Tensor] = []
        self._done = 0

    def follow(self, epoch: int, stop: int) -> None:
        """Train on this epoch's batches up to `stop`, those that our side has just had."""
        began = now(self.device)
        if not self._batches:
            arrays = self._loader().batches.arrays  # type: ignore[union-attr]
            self._inputs, self._targets = arrays.inputs, arrays.targets
            self._batches = self.order.epoch(epoch)
            self.seconds.append(0.0)
        batches, self._done = self._batches[self._done : stop], stop
        raw_loop.train_epoch(self.net, self.optimizer, self._inputs, self._targets, batches, self.bf16)
        if stop == len(self.order):
            self._batches, self._done = [], 0
            self.last_turns.append(now(self.device) - began)
        self.seconds[-1] += now(self.device) - began


def measure(options: Options) -> Iterator[Row]:
    """A row for each model."""
    for model, pairs in MODELS.items():
        yield _row(model, options.pairs or pairs)


def _row(model: str, num_pairs: int) -> Row:
    overrides = (f"model={model}", "optimizer=momentum", "data.batch_size=100")
    with session(*overrides, "trainer.max_epochs=1", f"trainer.limit_train_batches={CHECKED_BATCHES}") as ours:
        raw = RawSide(ours)
        ours.fit(ChunkEnd(raw.follow))
        checked = f"after {CHECKED_BATCHES} steps: {_agreement(ours, raw.net)}"
    with session(*overrides, *LIMITS.get(model, ()), f"trainer.max_epochs={num_pairs + 1}") as ours:
        raw = RawSide(ours)
        ours.fit(ChunkEnd(raw.follow))
        steps = len(raw.order)
        checked += f"; after {steps * (num_pairs + 1):,}: {_agreement(ours, raw.net)}"
        precision = "bf16 autocast, channels-last" if ours.bf16 else "fp32"
    # the raw side's last turn comes after the end of our last batch, the others lie between our batches
    turns = [total - last for total, last in zip(raw.seconds, raw.last_turns, strict=True)]
    moments = zip(ours.before.epoch_starts, ours.after.last_batch_ends, turns, strict=True)
    spans = [end - start - raw_turns for start, end, raw_turns in moments]
    return ratio_row(
        "S1",
        f"training step, {model}",
        Sample("ours", _per_step(spans, steps), "ms"),
        Sample("raw", _per_step(raw.seconds, steps), "ms"),
        Goal(1.05, at_most=True),
        compared=f"one optimizer step of {model} on 100 MNIST images, {precision}, fused SGD with momentum; both "
        "sides draw the permutation, gather the batch on the device, and use one network and one optimizer "
        "implementation; ours also reads each loss, counts hits, logs to TensorBoard and CSV and draws the bar",
        checked=checked,
    )


def _per_step(seconds: list[float], steps: int) -> tuple[float, ...]:
    """Milliseconds a step of every epoch but the first, which warms up."""
    return tuple(1e3 * value / steps for value in seconds[1:])


def _agreement(ours: Session, net: nn.Module) -> str:
    """How equal the weights of both sides are.

    Raises:
        RuntimeError: they are further apart than rounding explains.
    """
    net.cpu()  # as Lightning has done with ours
    pairs: list[tuple[Tensor, Tensor]] = list(
        zip(ours.parts.model.net.state_dict().values(), net.state_dict().values(), strict=True)
    )
    if all(torch.equal(a, b) for a, b in pairs):
        return "weights bit-identical"
    apart = max(float((a - b).abs().max()) for a, b in pairs)
    if apart > 1e-3:
        raise RuntimeError(f"S1: the two sides' weights are {apart:.2g} apart, so they did not train the same")
    return f"weights equal within {apart:.1g}"
