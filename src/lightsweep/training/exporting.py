"""A finished run's network as a file that other programs run, held against the network itself on the whole test set."""

import copy
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lightsweep.data.datamodule import NoTestSet
from lightsweep.errors import ConfigError, LightsweepError, RunFolderError, lines_of
from lightsweep.exported_file import refuse_file
from lightsweep.files import why_unwritten, written_into
from lightsweep.imports import how_to_install
from lightsweep.training.build import build_data
from lightsweep.training.trained import Trained

LARGEST_DEVIATION = 1e-4
LARGEST_SHARE = 1e-5
"""Of the largest output of a batch: what float32 can tell of a price of 500,000 is 0.03."""
_METADATA = "lightsweep.json"

Run = Callable[[Tensor], Tensor]


class ExportDiffers(LightsweepError):
    """The exported network does not compute what the network itself does; no file was written."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the file.
        examples: test examples on which it was compared.
        deviation: largest absolute difference of any output.
    """

    path: Path
    examples: int
    deviation: float


def export(trained: Trained, format: str, path: Path) -> Export:
    """Write a network's file, after it was compared with the network.

    It maps `input`, normalised float32 `[batch, *input_shape]` for any batch, to `output`, `[batch, K]` logits.
    Classes, normalisation and the run's name lie in its metadata: in ONNX as properties, in torch.export's archive as
    the extra file `lightsweep.json`.

    Args:
        trained: the run's network.
        format: `onnx` or `torch_export`.
        path: the file.

    Raises:
        ConfigError: a format that is none, a file that is named as another format's or is a folder, packages that are
            missing, or a network that cannot be exported.
        RunFolderError: a run without a test set, or a file that cannot be written.
        StorageFailed: the disk is full.
        ExportDiffers: an output differs by more than `LARGEST_DEVIATION` and `LARGEST_SHARE` allow, or a class does.
    """
    refuse_file(format, path)
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if format == "onnx" and missing:
        raise ConfigError(f"format=onnx needs {', '.join(missing)}: {how_to_install('lightsweep[onnx]')}")
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    _begin(part, path)
    net = trained.net if trained.dtype == torch.float32 else copy.deepcopy(trained.net).float()
    try:
        with written_into(path.parent):
            run = (_write_onnx if format == "onnx" else _write_program)(net, part, metadata(trained), trained)
        found = _compared(trained, net, run, path)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return found


def _begin(part: Path, path: Path) -> None:
    """Begin the file, so that a place that cannot be written is told before the work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        why = why_unwritten(error, path.parent)
        raise RunFolderError(f"{path} {why}; name another place: out=<file>") from None


def metadata(trained: Trained) -> dict[str, str]:
    """What a program that runs the file must know, as texts; lists and numbers in JSON."""
    described = {key: json.dumps(value, ensure_ascii=False) for key, value in asdict(trained.data).items()}
    return {"run": trained.name, "model": str(trained.cfg.model._target_), **described}


def _write_onnx(net: nn.Module, path: Path, properties: dict[str, str], trained: Trained) -> Run:
    import onnxruntime

    with _told(net, "onnx"):
        program = torch.onnx.export(
            net,
            (_example(trained),),
            dynamo=True,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(properties)
    program.save(path)
    with _told(net, "onnx"):
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {"input": inputs.numpy()})[0])


def _write_program(net: nn.Module, path: Path, properties: dict[str, str], trained: Trained) -> Run:
    with _told(net, "torch_export"):
        program = torch.export.export(net, (_example(trained),), dynamic_shapes=({0: torch.export.Dim("batch")},))
        archive = io.BytesIO()  # torch's own writer has no word for a full disk
        torch.export.save(program, archive, extra_files={_METADATA: json.dumps(properties, ensure_ascii=False)})
    path.write_bytes(archive.getvalue())
    with _told(net, "torch_export"):
        return torch.export.load(path).module()


def _example(trained: Trained) -> Tensor:
    return torch.zeros(2, *trained.data.input_shape)


@contextmanager
def _told(net: nn.Module, format: str) -> Iterator[None]:
    """Tell in one line of a network that cannot be exported; the exporters warn, log and print of their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()):
            yield
    except Exception as error:  # tracing runs the network's own code, which may raise anything on what it is given
        reason = " ".join(lines_of(error.__cause__ or error)[0].split())
        raise ConfigError(f"`format={format}`: torch cannot export {type(net).__name__}: {reason}") from error
    finally:
        logging.disable(before)


def _compared(trained: Trained, net: nn.Module, run: Run, path: Path) -> Export:
    if trained.cfg.data.get("loader") == "auto":
        trained.cfg.data.loader = "workers"
    datamodule = build_data(trained.cfg)
    datamodule.dtype = torch.float32
    datamodule.limits["test"] = 1.0  # what the run itself was measured on may be less
    try:
        datamodule.setup("test")
    except NoTestSet:
        raise RunFolderError(
            "the run has no test set, to hold a file against: its data.test_size is 0, or its data have no load_test"
        ) from None
    examples, deviation = 0, 0.0
    for inputs, _ in datamodule.test_dataloader():
        with torch.no_grad():
            wanted, found = net(inputs.contiguous()), run(inputs.contiguous())
        apart = float((wanted - found).abs().max())
        allowed = max(LARGEST_DEVIATION, LARGEST_SHARE * float(wanted.abs().max()))
        if not apart <= allowed:  # NaN too, which max() below would pass over
            raise ExportDiffers(
                f"an output of {path.name} differs from the network's by {apart:.3g}, more than {allowed:.3g}"
            )
        deviation = max(deviation, apart)
        if trained.data.num_classes is not None and not torch.equal(_labels(wanted), _labels(found)):
            raise ExportDiffers(f"{path.name} tells other classes than the network")
        examples += len(inputs)
    return Export(path, examples, deviation)


def _labels(outputs: Tensor) -> Tensor:
    return outputs.argmax(1) if outputs.shape[1] > 1 else outputs[:, 0] > 0
