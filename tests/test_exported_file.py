"""The file that an exported network becomes."""

from pathlib import Path

import pytest

from lightsweep.exported_file import exported_file


@pytest.mark.parametrize(
    ("format", "out", "meant"),
    [
        (None, None, ("onnx", "exports/model.onnx")),
        ("torch_export", None, ("torch_export", "exports/model.pt2")),
        (None, "net.pt2", ("torch_export", "net.pt2")),
        (None, "net.onnx", ("onnx", "net.onnx")),
        ("torch_export", "net.bin", ("torch_export", "net.bin")),
    ],
)
def test_the_format_follows_from_the_file_and_the_file_from_the_format(format, out, meant):
    assert exported_file(format, out, Path("exports")) == (meant[0], Path(meant[1]))
