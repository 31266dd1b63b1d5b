import subprocess
import sys

import lightsweep.launching


def test_the_face_of_the_package() -> None:
    assert lightsweep.launching.__all__ == [
        "Job",
        "JobDied",
        "JobEvent",
        "JobFailed",
        "Machine",
        "Outcome",
        "Pool",
        "ServerDied",
        "Slot",
        "SlotSettings",
        "plan_slots",
    ]
    assert all(hasattr(lightsweep.launching, name) for name in lightsweep.launching.__all__)


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys; import hydra_plugins.lightsweep_local.config, hydra_plugins.lightsweep_local.local_launcher; "
        "print([name for name in ('torch', 'lightning', 'optuna', 'numpy', 'cloudpickle') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
