"""The training step: several optimizer steps inside one Lightning step, at a plain loop's speed.

Lightning's loop costs about half a millisecond an iteration, which is more than a small model's whole step. So the
loop hands over a chunk of batches, and the steps are made here: forward, loss, backward, clip, update, schedule,
average. Losses and outputs stay on the device until the chunk ends; then they are read once, checked for NaN and
infinity, counted and logged. The result does not depend on how many steps a chunk has.
"""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import LBFGS, Optimizer

from lightsweep.data.loader import Batch, Chunk
from lightsweep.errors import Diverged, Interrupted
from lightsweep.models.base import Model
from lightsweep.training.clock import Clock
from lightsweep.training.cuda_graph import GradientGraph, is_hooked
from lightsweep.training.schedulers import Schedule
from lightsweep.training.sharding import Sharded
from lightsweep.training.signals import StopRequest
from lightsweep.training.synchronizing import bring_together, running_statistics
from lightsweep.training.tally import Sums, Tally

_STATE = ("steps", "epochs", "batches", "examples", "last_finite_loss", "_ended")


class Stepper:
    """Makes optimizer steps.

    Args:
        model: network and task.
        optimizers: stepped together; their parameters are disjoint.
        schedules: learning-rate schedules.
        accumulate: batches whose gradients are averaged for one step; None for a whole epoch's.
        grad_clip: largest norm of the gradient; None for no limit.
        max_steps: steps after which the run ends; below 1 for no limit.
        clock: what the time is counted on.
        stop: asks the loop to end.

    Attributes:
        scaler: makes float16's gradients larger, and leaves a step out where one overflows; None for no scaling.
        graph_size: examples of the batches whose gradients are recorded as a CUDA graph; 0 for none.
        steps: optimizer steps made so far.
        epochs: whole epochs made so far.
        on_tick: called at most every `TICK_S` seconds from within a chunk.
    """

    TICK_S = 0.5

    def __init__(
        self,
        model: Model,
        optimizers: list[Optimizer],
        schedules: list[Schedule],
        accumulate: int | None,
        grad_clip: float | None,
        max_steps: int,
        clock: Clock,
        stop: StopRequest,
    ) -> None:
        self.model, self.optimizers, self.schedules = model, optimizers, schedules
        self.accumulate, self.grad_clip, self.max_steps = accumulate, grad_clip, max_steps
        self.clock, self.stop, self.graph_size = clock, stop, 0
        self.scaler: GradScaler | None = None
        self.steps = 0
        self.epochs = 0
        self.batches = 0
        """Batches of the present epoch that were trained on."""
        self.examples = 0
        """Examples trained on since the run began."""
        self.epoch, self.interval = Sums(), Sums()
        self.last_finite_loss: float | None = None
        self.on_tick: Any = lambda: None
        self._next_tick = self._waited = 0.0
        self._ended = self._resumed = False
        self._signal_number = 0
        self._alone, self._sharded = True, False
        self._shares: dict[float, Tensor] = {}
        self._zero = torch.zeros(())
        self._graph: GradientGraph | None = None
        self._recordable = 0
        self._needs_closure = isinstance(optimizers[0], LBFGS)
        self._averaging: list[Any] = [o for o in optimizers if hasattr(o, "train") and hasattr(o, "eval")]
        self._by_step = [s for s in schedules if s.interval == "step" and not s.on_plateau]
        self._parameters: list[Tensor] = []
        self._statistics: list[Tensor] = []
        self._rates: list[float] = []
        self._used: dict[str, float] = {}
        self._tally = Tally(model.task)

    @property
    def lr(self) -> float:
        """Learning rate of the last optimizer's first parameter group: of several, `optimizer.lr` is the last one's."""
        return float(self.optimizers[-1].param_groups[0]["lr"])

    @property
    def momentum(self) -> float | None:
        """Momentum of the same group, or the decay rate of its first moment; None if it has neither."""
        group = self.optimizers[-1].param_groups[0]
        found = group["betas"][0] if "betas" in group else group.get("momentum")
        return None if found is None else float(found)

    @property
    def rates(self) -> dict[str, float]:
        """Learning rate and momentum, where there is one, of the last step; a schedule may be at the next one's by now.

        Past the last step of all some schedules go on to rates that no step has, below 0 for one.
        """
        return self._used or self._present_rates()

    @property
    def epoch_is_whole(self) -> bool:
        """Whether all batches of the present epoch were trained on."""
        return self._ended

    @property
    def is_at_end(self) -> bool:
        """Whether all steps of the run are made."""
        return 0 < self.max_steps <= self.steps

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before; an epoch that is resumed in its middle keeps its own."""
        if self._resumed:
            self._resumed = False
        else:
            self.epoch, self.interval, self.batches, self._ended = Sums(), Sums(), 0, False

    def end_epoch(self) -> None:
        """Count a whole epoch, and advance the schedules that count them; once for each epoch."""
        if self._ended:
            return
        self._ended = True
        self.epochs += 1
        for schedule in self.schedules:
            if schedule.interval == "epoch" and not schedule.on_plateau:
                schedule.advance()

    def state_dict(self) -> dict[str, Any]:
        """Counts and sums, plain; optimizers and schedules are saved by Lightning."""
        return {name: getattr(self, name) for name in _STATE} | {
            "epoch": asdict(self.epoch),
            "interval": asdict(self.interval),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave; the coming epoch goes on after its first `batches`."""
        for name in _STATE:
            setattr(self, name, state[name])
        self.epoch, self.interval = Sums(**state["epoch"]), Sums(**state["interval"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        self._resumed = True

    def show_averages(self) -> None:
        """Let optimizers that average as they go, such as schedulefree's, put the averages into the network.

        The next step takes them out again. In a checkpoint between two steps of an epoch they are not: going there and
        back rounds, and a run that was stopped there would no longer end as one that was not.
        """
        for optimizer in self._averaging:
            optimizer.eval()

    def train_chunk(self, chunk: Chunk) -> None:
        """Make the steps of a chunk, up to the run's last, and read their losses.

        Raises:
            Diverged: a loss that is NaN or infinite.
            Interrupted: a signal asked the run to stop within the chunk; the steps made so far are complete. Where the
                chunk is complete too, callbacks are told of it first.
        """
        before, taken, self._waited = self.clock.enter("arithmetic"), self.steps, 0.0
        self._alone = self.model.trainer.world_size == 1
        self._sharded = isinstance(self.model.trainer.strategy, Sharded)
        self._parameters = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
        self._zero = torch.zeros((), device=self.model.device)
        self._statistics = [] if self._alone else running_statistics(self.model.net)
        if self._graph is not None and not self._graph.holds(self._parameters):
            self._graph = None
        self._recordable = self.graph_size if self.graph_size and not is_hooked(self.model.net) else 0
        try:
            for optimizer in self._averaging:
                optimizer.train()
            for group, sizes in self._groups(chunk):
                if self.is_at_end:
                    break
                self._step(group, sum(sizes))
                self.steps += 1
                self.batches += len(sizes)
                # several processes must end a chunk at the same step, so they look for a signal after it
                if self.stop.requested and self._alone:
                    break
                if time.perf_counter() >= self._next_tick:
                    self._tick()
            self._read(taken)
            if self.is_at_end:
                self.model.trainer.should_stop = True  # and so Lightning validates before it ends
        finally:
            self._tell_lightning(self.steps - taken)
            self.clock.enter(before)
            self.clock.move(self._waited, "arithmetic", "data")
        if self.batches < chunk.start + len(chunk.sizes) and not self.is_at_end:
            self.raise_if_interrupted()  # callbacks are told of the chunk once a resumed run has made the rest of it

    def free_graph(self) -> None:
        """Give the memory of the CUDA graph back; a multirun's next run needs it."""
        self._graph = None

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted if a signal came by the end of the last chunk; several processes do so together."""
        if self._signal_number:
            raise Interrupted(self._signal_number)

    def _groups(self, chunk: Chunk) -> Iterator[tuple[Iterable[Batch], list[int]]]:
        """The batches of each step with the global sizes of them; a step's batches can be walked through once."""
        length = self.accumulate or len(chunk.sizes)
        timed = self._timed(chunk.batches)
        for start in range(0, len(chunk.sizes), length):
            sizes = chunk.sizes[start : start + length]
            yield islice(timed, len(sizes)), sizes

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        now = time.perf_counter
        began = now()
        for batch in batches:
            self._waited += now() - began
            yield batch
            began = now()

    def _step(self, group: Iterable[Batch], total: int) -> None:
        if self._by_step:
            self._used = self._present_rates()
            self._rates.append(self.lr)
        if self._needs_closure:
            self._closure_step(list(group), total)
        else:
            self._gradient(group, total, record=True)
            self._update()
        for schedule in self._by_step:
            schedule.advance()
        if self.model.ema is not None:
            self.model.ema.update_parameters(self.model.net)

    def _update(self) -> None:
        for optimizer in self.optimizers:
            if self.scaler is None:
                optimizer.step()
            else:
                self.scaler.step(optimizer)
        if self.scaler is not None:
            self.scaler.update()

    def _present_rates(self) -> dict[str, float]:
        return {"lr": self.lr} | ({} if self.momentum is None else {"momentum": self.momentum})

    def _closure_step(self, group: list[Batch], total: int) -> None:
        """LBFGS evaluates the loss several times a step; the first evaluation is the one that is logged."""
        first = [True]

        def closure() -> Tensor:
            record, first[0] = first[0], False
            loss = self._gradient(group, total, record)
            for parameter in self._parameters:  # LBFGS views each gradient as a vector, channels-last ones too
                if parameter.grad is not None:
                    parameter.grad = parameter.grad.contiguous()
            return loss

        self.optimizers[0].step(closure)  # type: ignore[arg-type]

    def _gradient(self, group: Iterable[Batch], total: int, record: bool) -> Tensor:
        """Put the gradient of the mean loss over `total` examples into the parameters; gives LBFGS that loss."""
        model, tally = self.model, self._tally
        for parameter in self._parameters:
            parameter.grad = None  # as zero_grad() does, which also enters a profiler's range, for 12 us
        value = self._zero
        for inputs, targets in group:
            size = targets.shape[0]  # len() of a tensor takes longer
            if not size:  # this process has no part of a short last batch
                if record:
                    tally.add_nothing(model.device)
                continue
            if size == self._recordable:
                loss, outputs = self._recorded(inputs, targets)
            else:
                loss, outputs = self._backward(inputs, targets, size / total)
            if self._needs_closure:
                value = value + loss * (size / total)
            if record:
                tally.add(loss, size, outputs, targets)
        if not self._alone:
            # where the network is cut up, its gradients are summed already
            value = bring_together(value, [] if self._sharded else self._parameters, self._statistics)
        if self.grad_clip is not None:
            if self.scaler is not None:
                for optimizer in self.optimizers:
                    self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(self._parameters, self.grad_clip)
        return value

    def _backward(self, inputs: Tensor, targets: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the gradient of a batch's share of the mean loss; gives its own mean loss, and its outputs."""
        outputs = self.model.predict(inputs)
        loss = self.model.task.loss(outputs, targets)
        if share not in self._shares:
            self._shares[share] = torch.full_like(loss, share)
        gradient = self._shares[share] if self.scaler is None else self.scaler.scale(self._shares[share])
        loss.backward(gradient)  # as (loss * share).backward(), which would make two tensors more each time
        return loss.detach(), outputs.detach()

    def _recorded(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """As `_backward`, by the CUDA graph."""
        if self._graph is None:
            self._graph = GradientGraph(self._backward, self.model.net, self._parameters, inputs, targets)
        return self._graph(inputs, targets)

    def _read(self, taken: int) -> None:
        """Read the chunk's losses and counts, and look for a loss that is not finite."""
        rates, self._rates = self._rates, []
        batches, correct, self._signal_number = self._tally.read(
            self._alone, self.stop.signal_number, self.model.device
        )
        batches_per_step = self.accumulate or len(batches)
        for index, (loss, size) in enumerate(batches):
            if not math.isfinite(loss):
                self.steps = taken + index // batches_per_step
                raise Diverged(self.steps, rates[self.steps - taken] if rates else self.lr, loss, self.last_finite_loss)
            self.last_finite_loss = loss
            self.examples += int(size)
        self.epoch.add(batches, correct)
        self.interval.add(batches, correct)

    def _tell_lightning(self, steps: int) -> None:
        """Let `trainer.global_step` follow: it counts what passed through Lightning's own optimizer wrappers."""
        progress = self.model.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for counts in (progress.total, progress.current):
            counts.ready += steps
            counts.completed += steps

    def _tick(self) -> None:
        self._next_tick = time.perf_counter() + self.TICK_S
        with self.clock.part("logging"):
            self.on_tick()
