"""A Python that has imported what a sweep needs, and forks a process for each command that it reads: 0.2 s, not 1.5 s.

A command is a line of JSON: argv, folder, environment, out and err (files). The answer is the exit code, on a line.
"""

import atexit
import json
import os
import runpy
import sys
import traceback
from typing import Any

import hydra.main
import optuna

import lightsweep.sweeping.job
import lightsweep.sweeping.sweep


def main() -> None:
    assert {hydra, optuna, lightsweep}
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(run(command))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(command: dict[str, Any]) -> int:
    """Be the process that would have been started for the command, as far as the command can tell."""
    os.setsid()
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    with open(os.devnull) as nothing, open(command["out"], "w") as out, open(command["err"], "w") as err:
        for number, file in enumerate((nothing, out, err)):
            os.dup2(file.fileno(), number)
    sys.argv = command["argv"]
    sys.path[:0] = [command["folder"]]
    code: Any = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    main()
