"""How a package that is missing is installed."""

import importlib.util

import pytest

from lightsweep.imports import how_to_install


@pytest.mark.parametrize(("there", "program"), [(True, "pip"), (False, "uv pip")])
def test_an_environment_without_pip_is_uvs(monkeypatch, there, program):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if there else None)

    assert how_to_install("lightsweep[report]") == f"{program} install 'lightsweep[report]'"
    assert how_to_install("cmaes", "scipy") == f"{program} install cmaes scipy"
