"""`python train.py doctor`: what this machine has, what it lacks, and what to do about it.

Each examination is done for real: a file is written and replaced, an event file is read back, a study is told a value.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.config.passwords import masked
from lightsweep.errors import DataError, LightsweepError, one_line
from lightsweep.imports import how_to_install, quiet_imports
from lightsweep.paths import RunPaths
from lightsweep.screen import many

ENOUGH_DISK_BYTES = 2**30
_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@dataclass(frozen=True)
class Finding:
    """What an examination found: `ok`, a `note` or a `problem`; `advice` says what to do about it."""

    state: str
    what: str
    found: str
    advice: str = ""


def doctor() -> None:
    """`[outputs=<folder>] [data=<folder>] [storage=<Optuna URL>]`: examine this machine; exit code 1 for a problem."""
    ended_by(lambda: print_findings(sys.argv[1:]), doctor)


def print_findings(words: list[str]) -> None:
    """Examine everything and print a line for each finding.

    Args:
        words: `outputs`, the folder that runs write into; `data`, that of the data; `storage`, as
            `hydra.sweeper.storage` takes it; each as `key=value`.

    Raises:
        LightsweepError: there is a problem.
    """
    given = {key: value for key, value in arguments({"outputs", "data", "storage"}, words).items() if value}
    quiet_imports()
    console = Console(highlight=False, soft_wrap=True)
    problems = 0
    for finding in findings(Path(given.get("outputs", "outputs")), given.get("data", "data"), given.get("storage")):
        problems += finding.state == "problem"
        console.print(Text(f"{finding.state:<9}", _COLOURS[finding.state]) + f"{finding.what:<15}{finding.found}")
        if finding.advice:
            console.print(Text(f"{'':<24}→ {finding.advice}"))
    if problems:
        raise LightsweepError(f"{problems} problem{'s' if problems > 1 else ''}; what to do stands after each arrow")


def findings(outputs: Path, data: str, storage: str | None) -> Iterator[Finding]:
    """Examine everything, one after the other."""
    yield from versions()
    yield from devices()
    yield from data_files(data)
    yield disk(outputs)
    yield _tried("write", f"{outputs} can be written", lambda: write(outputs), "give another: outputs=<folder>")
    yield _tried("tensorboard", "an event file was written and read back", tensorboard, "reinstall tensorboard")
    if storage is not None:
        yield optuna_storage(storage)


def _tried(what: str, good: str, examine: Callable[[], None], advice: str) -> Finding:
    try:
        examine()
    except Exception as error:  # whatever it is, it is what the user came to learn
        return Finding("problem", what, one_line(error), advice)
    return Finding("ok", what, good)


def versions() -> Iterator[Finding]:
    """Python and the packages that lightsweep asks for, with the versions that it asks for."""
    from packaging.requirements import Requirement

    yield Finding("ok", "python", sys.version.split()[0])
    try:
        wanted = [Requirement(text) for text in requires("lightsweep") or []]
    except PackageNotFoundError:
        yield Finding(
            "note", "lightsweep", "runs from its source, not installed", f"{how_to_install('-e', '.')} in its folder"
        )
        return
    good = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = None
        if found is not None and requirement.specifier.contains(found, prereleases=True):
            good.append(f"{requirement.name} {found}")
        else:
            install = how_to_install(f"{requirement.name}{requirement.specifier}")
            yield Finding("problem", requirement.name, f"{found or 'missing'}, not {requirement.specifier}", install)
    yield Finding("ok", "packages", ", ".join(good))


def devices() -> Iterator[Finding]:
    """The processor and each GPU; a GPU gets a small product to compute."""
    import torch

    from lightsweep.training.environment import cpu_name, device_name

    yield Finding(
        "ok", "cpu", f"{cpu_name()}, {many(os.cpu_count() or 1, 'core')}, {many(torch.get_num_threads(), 'thread')}"
    )
    if torch.backends.mps.is_available():
        yield Finding("ok", "gpu", "mps")
    if not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        built = torch.version.cuda or "no CUDA"
        yield Finding("problem", "gpu", f"torch (for {built}) sees no GPU", "install the torch that fits the driver")
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)

        def compute(device: torch.device = device) -> None:
            torch.ones(8, 8, device=device).mm(torch.ones(8, 8, device=device)).sum().item()

        gib = torch.cuda.get_device_properties(device).total_memory / 2**30
        yield _tried("gpu", f"{device_name(device)}, {gib:.1f} GiB", compute, "see nvidia-smi")


def data_files(root: str) -> Iterator[Finding]:
    """MNIST and its kin: whether their files are there and are what they should be."""
    from lightsweep.data.mnist import MNIST

    for name in ("mnist", "fashion_mnist", "kmnist"):
        dataset = MNIST(root, name, batch_size=1)
        if missing := [path for train in (True, False) for path in dataset.missing(train)]:
            there = ", ".join(path.name for path in missing)
            yield Finding("note", name, f"{dataset.raw} lacks {there}", "they are downloaded when they are first used")
            continue
        try:
            sizes = [len(dataset.load_train()), len(dataset.load_test())]
        except DataError as error:
            yield Finding("problem", name, str(error), "put the official files in their place")
        else:
            yield Finding("ok", name, f"{sizes[0]:,} training and {sizes[1]:,} test images in {dataset.raw}, verified")


def disk(outputs: Path) -> Finding:
    """Free space where runs are written."""
    there = next(folder for folder in (outputs.absolute(), *outputs.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:.1f} GiB free in {there}"
    if free >= ENOUGH_DISK_BYTES:
        return Finding("ok", "disk", found)
    return Finding("problem", "disk", found, "free some, or write elsewhere: hydra.run.dir=<folder>")


def write(outputs: Path) -> None:
    """Write, replace, link, lock and remove a file in the folder of the outputs, as a run does."""
    from filelock import FileLock

    from lightsweep.files import link, write_text

    outputs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".doctor", dir=outputs) as folder:
        run = RunPaths(Path(folder))
        with FileLock(run.lock, timeout=0):
            write_text(run.config, "first")
            write_text(run.config, "second")
            link(run.config, run.metrics)
            if run.metrics.read_text() != "second":
                raise OSError(f"{outputs} does not give back what was written into it")


def tensorboard() -> None:
    """Write an event file and read it back."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            writer.add_scalar("doctor", 0.5, 1)
        values = EventAccumulator(folder).Reload().Scalars("doctor")
        if [value.value for value in values] != [0.5]:
            raise OSError("what was written into an event file did not come back")


def optuna_storage(storage: str) -> Finding:
    """A storage that is there; a file that is not is left to the sweep that makes it."""
    from lightsweep.sweeping.storage import local_file, storage_spec
    from lightsweep.sweeping.storage_advice import advice

    spec = storage_spec(storage, Path.cwd())
    file = local_file(spec)
    if file is not None and file.is_dir():
        return Finding("problem", "optuna", f"{file} is a folder", f"name a file in it, such as {file / 'study.log'}")
    if file is not None and not file.is_file():
        found = "the first sweep that uses it makes it; to go on with a study, check the path"
        return Finding("note", "optuna", f"{file} is not there", found)
    try:
        study(spec)
    except Exception as error:  # whatever it is, it is what the user came to learn
        told = one_line(getattr(error.__cause__, "orig", error))  # Optuna's own of a commit gives no reason
        return Finding("problem", "optuna", masked(told, storage), advice(told, file))
    return Finding("ok", "optuna", "the storage took a trial and gave it back")


def study(spec: Any) -> None:
    """Tell a study a value and read it back; the study is removed again."""
    import optuna

    from lightsweep.sweeping.storage import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kept = open_storage(spec, for_sweep=True)
    name = f"lightsweep-doctor-{os.getpid()}"
    made = optuna.create_study(storage=kept, study_name=name)
    try:
        made.tell(made.ask(), 0.5)
        if optuna.load_study(study_name=name, storage=kept).best_value != 0.5:
            raise LightsweepError("a study did not give back the value that it was told")
    finally:
        optuna.delete_study(study_name=name, storage=kept)
