"""TensorBoard's event files: values as it knows them, and files that are whole.

Needs neither torch nor TensorFlow.
"""

import io
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

from lightsweep.files import write_bytes

BY_EPOCH = "by_epoch/"
"""Tags under which metrics are kept once more, with the number of epochs in the place of the step."""

_FILE_VERSION = "brain.Event:2"
Value: TypeAlias = Summary.Value


def scalars(values: Mapping[str, float]) -> list[Value]:
    """One value a tag; NaN and infinity are written as they are."""
    return [Value(tag=tag, simple_value=float(value)) for tag, value in values.items()]


def image(tag: str, png: bytes, width: int, height: int) -> Value:
    """A picture, encoded as PNG; width and height in pixels."""
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    return Value(tag=tag, image=picture)


def markdown(tag: str, text: str) -> Value:
    """A text of the Text tab."""
    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return Value(tag=tag, metadata=about, tensor=string_tensor(text.encode(), [1]))


def string_tensor(content: bytes, shape: list[int]) -> TensorProto:
    """Bytes as a tensor of one string."""
    dims = [TensorShapeProto.Dim(size=size) for size in shape]
    return TensorProto(dtype=DT_STRING, string_val=[content], tensor_shape=TensorShapeProto(dim=dims))


def write_events(path: Path, summaries: Iterable[tuple[int, list[Value]]]) -> None:
    """Write a whole event file; one that bears the name is replaced.

    Args:
        path: its place; the name must contain `tfevents`.
        summaries: steps, each with the values at it.
    """
    now = time.time()
    content = io.BytesIO()
    writer = RecordWriter(content)
    writer.write(Event(wall_time=now, file_version=_FILE_VERSION).SerializeToString())
    for step, values in summaries:
        event = Event(wall_time=now, step=step, summary=Summary(value=values))
        writer.write(event.SerializeToString())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content.getvalue())
