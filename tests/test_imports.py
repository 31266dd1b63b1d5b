"""How a package that is missing is installed."""

import subprocess
import sys

import pytest

from lightsweep import imports
from lightsweep.imports import how_to_install


@pytest.mark.parametrize(("there", "program"), [(True, "pip"), (False, "uv pip")])
def test_an_environment_without_pip_is_uvs(monkeypatch, there, program):
    monkeypatch.setattr(imports, "distributions", lambda name: iter([object()] if there else []))

    assert how_to_install("lightsweep[report]") == f"{program} install 'lightsweep[report]'"
    assert how_to_install("cmaes", "scipy") == f"{program} install cmaes scipy"


def test_the_question_leaves_setuptools_as_it_is():
    """It turns to the standard library's distutils, and fails, where pip was looked for by `find_spec`."""
    asked = "from lightsweep.imports import how_to_install; how_to_install('x'); import setuptools"

    ended = subprocess.run([sys.executable, "-W", "error", "-c", asked], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
