"""One of two processes that train a list of cases together: `python ddp_process.py <cases.json>`.

Lightning sees LOCAL_RANK, so it starts no further process.
"""

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", message=".*LeafSpec.*")

from lightsweep import compose, train  # noqa: E402

if __name__ == "__main__":
    for case in json.loads(Path(sys.argv[1]).read_text()):
        train(compose(case["overrides"]), Path(case["folder"]))
