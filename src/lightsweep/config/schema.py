"""The typed schema: every key of a run's configuration with its type, range, unit and meaning.

The YAML files under `conf/` hold values only. Groups whose members differ (`model`, `data`, `optimizer`, `scheduler`)
name the keys they share here; further keys of a member are checked by the signature of its `_target_` when it is built,
and of the user's own classes by their plain types before that.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NonNegative = Annotated[Finite, Field(ge=0)]
Fraction = Annotated[Finite, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy takes
Limit = Annotated[int, Field(ge=1)] | Annotated[Finite, Field(gt=0, le=1)]


class Strict(BaseModel):
    """A group whose keys are all known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Open(BaseModel):
    """A group whose members bring keys of their own."""

    model_config = ConfigDict(extra="allow", strict=True)


class Built(Open):
    """One whose `_target_` names what is built."""

    target: str = Field(alias="_target_", min_length=1, description="import path of what is built")


class Model(Built):
    """`model`: the network and its loss."""

    label_smoothing: Fraction = Field(0.0, description="share of the target's mass spread over all classes")
    dropout: Fraction = Field(0.0, description="probability that a hidden unit is zeroed in training")
    widths: list[Count] = Field([], description="units of each hidden layer")
    filters: list[Count | Annotated[list[Count], Field(min_length=1)]] = Field(
        [], description="filters of each convolution; a list for several convolutions before one pooling"
    )
    kernel_size: Count = Field(3, description="height and width of a filter, in pixels")
    batch_norm: bool = Field(False, description="normalise each hidden layer over the batch")
    compile: bool | Literal["reduce-overhead", "max-autotune"] = Field(
        False, description="compile the network with torch.compile, or in this mode of it"
    )
    channels_last: bool | None = Field(None, description="memory format NHWC; null: where the model has convolutions")


class Data(Built):
    """`data`: the data set, its split and how batches are made."""

    root: str = Field("data", description="folder of the data files, from where the command runs or in the project")
    batch_size: Count = Field(100, description="examples in one batch, over all processes")
    eval_batch_size: Count = Field(1000, description="examples in one validation or test batch")
    val_size: Index | Literal["own"] = Field(
        0, description="examples kept from training for validation; own: those that the data set brings"
    )
    test_size: Index = Field(0, description="examples kept for the test set, where the data bring none")
    split_seed: Seed = Field(0, description="seed of the train/validation split")
    loader: Literal["device", "workers", "auto"] = Field(
        "device", description="whole split on the device, or a DataLoader; auto: on the device where it fits"
    )
    num_workers: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="processes of the DataLoader when loader=workers"
    )
    mean: Finite | list[Finite] = Field(
        0.0, description="subtracted from inputs in [0, 1]; a list: of an image's channels, each its own"
    )
    std: Positive | list[Positive] = Field(
        1.0, description="inputs are divided by it after the mean is subtracted; a list: as of mean"
    )
    shift: Index = Field(0, description="training images are moved by up to this many pixels each way")
    rotate: Annotated[Finite, Field(ge=0, le=180)] = Field(
        0.0, description="training images are turned by up to this many degrees each way"
    )
    zoom: Fraction = Field(0.0, description="training images become larger or smaller by up to this share")
    transforms: list[dict[str, Any]] = Field([], description="torchvision.transforms.v2 for training images, in order")
    stratified: bool = Field(False, description="keep of each class its share for validation")
    fold: Index | None = Field(None, description="validate on this one of num_folds parts, not on val_size examples")
    num_folds: Annotated[int, Field(ge=2)] = Field(5, description="parts for cross-validation")
    class_weights: Literal["balanced"] | None = Field(
        None, description="balanced: the loss weighs a class by the inverse of its share"
    )
    size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = Field(
        None, description="height and width of the inputs, in pixels; null: the data set's own (torchvision)"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1: gray, 3: colour; null: the data set's own (torchvision)"
    )
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop", description="how an image of another shape is brought to size"
    )
    digits: list[int] = Field([], description="the two digits that are told apart")
    ignore: list[str | float] = Field([], description="columns of a table that are no inputs (csv)")


class Optimizer(Built):
    """`optimizer`: the update rule; further keys are its constructor's."""

    lr: Positive = Field(0.01, description="learning rate, the step size η")
    momentum: Fraction = Field(0.0, description="share of the last update that is kept")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, or decoupled decay for AdamW and Muon")
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.999], description="decay rates of the first and second moment"
    )
    alpha: Fraction = Field(0.99, description="decay rate of RMSProp's mean of squares")
    rho: Fraction = Field(0.9, description="decay rate of Adadelta's means")
    eps: NonNegative = Field(1e-8, description="added to the denominator")
    adamw_lr: Positive = Field(1e-3, description="learning rate of the parameters that Muon leaves to AdamW")


class Scheduler(Open):
    """`scheduler`: how the learning rate changes; `auto` stands for the run's steps or epochs, or for a rate."""

    target: str | None = Field(
        alias="_target_", description="import path of the scheduler; null keeps the rate constant"
    )
    interval: Literal["step", "epoch"] = Field(description="when it advances, by step or epoch")
    T_max: Count | Literal["auto"] = Field("auto", description="steps or epochs until the rate is at its lowest")
    total_steps: Count | Literal["auto"] | None = Field("auto", description="steps of the whole cycle")
    step_size: Count = Field(3, description="steps or epochs between two falls")
    milestones: list[Count] = Field([], description="steps or epochs at which the rate falls")
    gamma: Positive = Field(0.1, description="what the rate is multiplied by at a fall")
    patience: Index = Field(2, description="validations without improvement before the rate falls")
    max_lr: Positive | list[Positive] | Literal["auto"] = Field(
        "auto", description="the highest rate; auto: each optimizer's own"
    )
    pct_start: Annotated[Finite, Field(gt=0, lt=1)] = Field(0.3, description="share of the cycle in which it rises")
    div_factor: Positive = Field(25.0, description="the highest rate over the first")
    final_div_factor: Positive = Field(1e4, description="the first rate over the last")
    eta_min: NonNegative = Field(0.0, description="the lowest rate")


class Trainer(Strict):
    """`trainer`: how long, where and in which precision."""

    max_epochs: Annotated[int, Field(ge=-1)] = Field(
        description="passes over the training split, at least 1; -1: no limit"
    )
    max_steps: Annotated[int, Field(ge=-1)] = Field(description="optimizer steps, at least 1; -1: no limit")
    max_time: str | None = Field(
        pattern=r"^\d\d:\d\d:\d\d:\d\d$",
        examples=["00:01:30:00"],
        description="wall time of the epochs, DD:HH:MM:SS; start-up and test are not counted; null: no limit",
    )
    limit_train_batches: Limit = Field(description="batches of an epoch: a number, or a share as 0.1")
    limit_val_batches: Limit = Field(description="validation batches: a number, or a share")
    limit_test_batches: Limit = Field(description="test batches: a number, or a share")
    check_val_every_n_epoch: Count = Field(
        description="epochs between two validations; a run that ends before the first ends with one"
    )
    log_every_n_steps: Count = Field(description="steps between two logged training metrics")
    inner_steps: Count | None = Field(description="optimizer steps in one Lightning step; null: log_every_n_steps")
    checkpoint_every_n_steps: Count | None = Field(
        description="optimizer steps between two checkpoints within an epoch; null: as time alone asks"
    )
    checkpoint_every_minutes: Positive | None = Field(
        description="minutes between two checkpoints within an epoch; null: as steps alone ask"
    )
    accumulate_grad_batches: Count = Field(description="batches whose gradients are averaged for one step")
    lr_batch_size: Count | None = Field(
        description="batch size that the learning rates are meant for: they are scaled by the step's over it; null: not"
    )
    grad_clip: Positive | None = Field(description="largest norm of the gradient; null: no limit")
    decay_bias_and_norm: bool = Field(description="apply weight_decay to biases and normalisation gains too")
    print_loss: bool = Field(description="print the running loss at each logging point")
    ema_decay: Fraction | None = Field(description="decay of averaged weights used in evaluation; null: none")
    precision: Literal["auto", "32-true", "64-true", "tf32", "bf16-mixed", "16-mixed"] = Field(
        description="auto: bf16-mixed where the model has convolutions and the hardware native bf16, else 32-true; "
        "tf32: float32 with matrix products in TF32, on GPUs that have it; 16-mixed: float16 with a scaled loss, "
        "for GPUs without bf16"
    )
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = Field(description="kind of device")
    devices: Annotated[int, Field(ge=1, le=4096)] | Literal[-1] | str | Annotated[list[int], Field(min_length=1)] = (
        Field(
            description="number of devices or processes, or their indices; -1: all; "
            "on a CPU at most twice its cores, or 8 where those are few"
        )
    )
    num_nodes: Count = Field(description="machines; torchrun or srun starts the processes on each")
    strategy: Literal["auto", "ddp", "fsdp"] = Field(
        description="how processes train together; auto: one process, or ddp where there are several devices; "
        "fsdp: each holds a part of every parameter"
    )
    cuda_graph: bool | None = Field(
        None,
        description="whether a GPU gets a batch's forward and backward pass in one launch; null: where that can be, "
        "and the network's parts are torch's and torchvision's own",
    )
    deterministic: bool = Field(description="refuse operations whose result can differ between runs")
    threads: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        description="CPU threads for arithmetic; null: torch's choice"
    )


class EarlyStopping(Strict):
    """`early_stopping`: end when the monitored metric no longer improves."""

    patience: Count | None = Field(description="validations without improvement; null: never stop early")
    min_delta: NonNegative = Field(description="smallest change that counts as improvement")


class Logger(Built):
    """`logger.<name>`: where metrics go; further keys are its constructor's."""

    norms: bool = Field(True, description="norms of weights and gradients at each logging point (tensorboard)")
    histograms: bool = Field(False, description="histograms of weights and gradients at each epoch (tensorboard)")
    predictions: bool = Field(
        True, description="at the end: confusion matrix, most confident mistakes, first layer's filters (tensorboard)"
    )
    graph: bool = Field(True, description="the network's graph (tensorboard)")
    target_acc: Annotated[Finite, Field(gt=0, le=1)] | None = Field(
        None, description="validation accuracy that seconds_to_target waits for; null: no such metric (tensorboard)"
    )


class Callback(Built):
    """`callbacks.<name>`: a Lightning callback; all further keys are its constructor's."""


class Metric(Built):
    """`metrics.<name>`: a metric over the validation and the test split; further keys are its constructor's."""


class Config(Strict):
    """The whole configuration of a run."""

    model: Model
    data: Data
    optimizer: Optimizer
    scheduler: Scheduler
    trainer: Trainer
    early_stopping: EarlyStopping
    logger: dict[str, Logger] | None = Field(description="loggers by name, each with its `_target_`; null: none")
    callbacks: dict[str, Callback] = Field(description="further Lightning callbacks by name, each with its `_target_`")
    metrics: dict[Annotated[str, Field(pattern=r"^\w+$")], Metric] = Field(
        {},
        examples=["top3"],
        description="further metrics by name, each with its `_target_`: logged as val/<name> and test/<name>",
    )
    seed: Seed = Field(description="seed of weights, batch order and dropout")
    monitor: str = Field(
        pattern=r"^(auto|(train|val)/\w+)$",
        examples=["val/loss"],
        description="train or val metric that picks the best checkpoint, never a test one; auto: val/acc or val/loss, "
        "without validation train/loss",
    )
    mode: Literal["auto", "min", "max"] = Field(description="whether the monitored metric should fall or rise")
    objectives: list[Annotated[str, Field(pattern=r"^(monitor|seconds|parameters|(train|val)/\w+)$")]] = Field(
        min_length=1,
        examples=["val/loss"],
        description="what a run returns to a sweep: monitor, seconds, parameters or train/…, val/…",
    )
    test: bool = Field(description="evaluate the best checkpoint on the test set at the end")
    weights: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="run folder whose best checkpoint the network starts from, or a file of weights; null: drawn"
    )
    skip_weights: list[str | int] = Field(
        [], description="names, or their beginnings up to a dot, of weights that are drawn and not taken from `weights`"
    )
    trust: list[str] = Field(description="further import prefixes whose targets may be built")
    tags: list[str] = Field(description="words that are kept with the run")


GROUPS: dict[str, type[BaseModel]] = {
    "model": Model,
    "data": Data,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "trainer": Trainer,
    "early_stopping": EarlyStopping,
}
