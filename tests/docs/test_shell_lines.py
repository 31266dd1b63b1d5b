"""Every shell line of README and docs: the fast tests compose it, the slow ones run it, shortened, page by page."""

import re
import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from PIL import Image

from lightsweep import paths
from lightsweep.cli.new import make_project
from lightsweep.config.check import check
from lightsweep.config.command_words import command_words
from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.sweeping.settings import make_plan
from tests.docs.shell_lines import ShellLine, files, shell_lines

ROOT = Path(__file__).resolve().parents[2]
TRANSLATION = "README.zh-CN.md"
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if page.name not in ("CHANGELOG.md", TRANSLATION) and shell_lines(page)
)
OTHER_PROGRAMS = {
    r"pip install": "installs; CI begins with it",
    r"uv sync|source": "installs; CI's `uv run` does the same",
    r"pytest|scripts/check": "runs the tests, of which this is one",
    r"scripts/docs": "tests/docs/test_site.py builds the pages",
    r"lightsweep new": "`put_files` makes the project, in whose folder the page's other lines then run",
    r"python -m bench": "takes minutes, and timings are never tests",
    r"tensorboard|optuna-dashboard": "a server; tests open it by themselves",
    r"python -c": "a server of the reader's; tests/sweeping/test_servers.py starts one",
    r"ray|srun|sbatch": "a cluster; tests/cluster starts one",
}
"""Commands that are no door of this project, and why they are not run here."""
COMPOSED_ONLY = {
    r"gpus=|gpus_per_node=": "names GPUs",
    r"trainer\.devices=|trainer=(ddp|fsdp)": "takes several devices; tests/training has processes for them",
    r"data=(fashion_mnist|kmnist|emnist)": "downloads its files",
    r"data=(images|csv|torchvision)": "reads data of the reader's",
    r"hydra/launcher=(ray|slurm)": "a cluster; tests/cluster starts one",
    r"storage=(grpc|postgresql|mysql|\$)": "a server of the reader's; tests/sweeping/test_servers.py starts one",
}
"""Lines that are composed and held against the schema, and why they are not run."""
WITHOUT_TRAINING = re.compile(r"--help|--cfg|--info|info=|doctor")
STANDS_FOR = {
    r"resume=(outputs/)?<[^>]*>(\|last)?": "resume=outputs/interrupted",
    r"weights=(outputs/)?<[^>]*>": "weights=outputs/finished model=softmax_regression",
    r"outputs/<[^>]*(multirun|sweep)[^>]*>( \[more…?( folders)?\])?": "outputs/many",
    r"outputs/<[^>]*data=csv>": "outputs/table",
    r"(outputs/)?<[^>]*run>": "outputs/finished",
    r"postgresql://…": "postgresql://reader@db.example/sweeps",
}
"""What the reader is to fill in, and the folders of this test."""
THE_READERS = {
    "my_package/__init__.py": """
from torch import nn

class MyNet(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
""",
}
"""Files that a page speaks of and does not show."""
SMALL = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.accelerator=cpu", "logger=none")


def lines_of(page: str) -> list[ShellLine]:
    """A page's lines, with the folders of this test in the place of those that the reader is to fill in."""
    lines = []
    for line in shell_lines(ROOT / page):
        text = line.text
        for placeholder, folder in STANDS_FOR.items():
            text = re.sub(placeholder, folder, text)
        lines.append(ShellLine(text, line.shown))
    return lines


def reason(line: ShellLine, table: dict[str, str]) -> str | None:
    """Why a line is in a table."""
    return next((why for pattern, why in table.items() if re.match(pattern, " ".join(line.words))), None)


def trains(line: ShellLine) -> bool:
    """Whether a line is a training command that goes beyond the configuration."""
    is_ours = line.words[:2] == ["python", "train.py"] and reason(line, OTHER_PROGRAMS) is None
    return is_ours and not WITHOUT_TRAINING.search(line.text)


def composed(words: list[str], folder: Path) -> list[DictConfig]:
    """Configurations that a `train.py` line makes, checked: of a grid, each setting in one at least; of a sweep, the
    one that its trials begin from.

    Raises:
        LightsweepError, HydraException: what the command would say.
    """
    prepare_hydra()
    arguments = command_words([word for word in words if not word.startswith("-")])
    several = "-m" in words
    with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        mode = RunMode.MULTIRUN if several else RunMode.RUN
        cfg = loader.load_configuration("train", [f"hydra.sweep.dir={folder}", *arguments], mode)
        combinations = [arguments]
        if several and "optuna" in str(cfg.hydra.sweeper._target_):
            make_plan(cfg.hydra.sweeper, cfg, loader, arguments)  # which checks what a trial composes to
            combinations = [[word for word in arguments if not re.search(r"=(tag|interval|range|choice|glob)\(", word)]]
        elif several:
            parsed = OverridesParser.create().parse_overrides(arguments)
            combinations = list(with_each_word(BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]))
        found = [loader.load_configuration("train", chosen, RunMode.RUN) for chosen in combinations]
    for cfg in found:
        task = cfg.copy()
        with open_dict(task):
            task.pop("hydra")
        check(task)
    return found


def with_each_word(combinations: list[list[str]]) -> Iterator[list[str]]:
    """Those of a grid's combinations that bring a setting which none before them had."""
    seen: set[str] = set()
    for combination in combinations:
        if not seen.issuperset(combination):
            seen.update(combination)
            yield combination


def put_files(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the present one, with the project and the files that a page has its reader make."""
    if page != "README.md" and any(line.words[:2] == ["lightsweep", "new"] for line in lines_of(page)):
        made = folder.with_name("new") / "my_project"
        make_project(made)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    for name, text in {**THE_READERS, **files(ROOT / page)}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("STUDY", "postgresql://reader@db.example/sweeps")  # which docs/sweeps.md exports


@pytest.mark.parametrize("page", PAGES)
def test_every_line_is_of_a_command_that_there_is(page):
    for line in lines_of(page):
        door = line.words[0] == "python" and (ROOT / line.words[1]).is_file() and "/" not in line.words[1]
        assert door or reason(line, OTHER_PROGRAMS), f"{page}: who runs `{line.text}`?"


def test_the_translated_readme_has_the_same_sessions_and_files():
    ours, theirs = ROOT / "README.md", ROOT / TRANSLATION
    assert [line.words for line in shell_lines(theirs)] == [line.words for line in shell_lines(ours)]
    assert [line.shown.strip() for line in shell_lines(theirs)] == [line.shown.strip() for line in shell_lines(ours)]
    assert files(theirs) == files(ours)


@pytest.mark.parametrize("page", PAGES)
def test_every_training_line_composes_and_fits_the_schema(page, tmp_path, monkeypatch):
    put_files(page, tmp_path, monkeypatch)
    for line in lines_of(page):
        made_before = re.search(r"resume=|weights=|experiment=\S+\.yaml", line.text)
        if trains(line) and not line.shown.startswith("error:") and not made_before:
            assert composed(line.words[2:], tmp_path), f"{page}: {line.text}"


def test_a_line_that_does_not_compose_is_seen(tmp_path):
    for line, text in (
        ("optimizer=adagradd", "adagradd"),
        ("trainer.max_epoch=3", "max_epoch"),
        ("-m optimizer.lr=1,-1", r"optimizer\.lr"),
        ("-m sweeps=lr_momentum monitor=val/lose", "val/lose"),
    ):
        with pytest.raises(Exception, match=text):
            composed(line.split(), tmp_path)


@pytest.fixture(scope="module")
def template(mnist_root, tmp_path_factory) -> Path:
    """A folder as a user has it who has worked a little: data, images, finished and interrupted runs, a multirun."""
    from lightning.pytorch import Callback

    from lightsweep import Interrupted, compose, train

    class Interruption(Callback):
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.sanity_checking:
                signal.raise_signal(signal.SIGINT)

    folder = tmp_path_factory.mktemp("template")
    (folder / "data").symlink_to(mnist_root)
    (folder / "images").mkdir()
    for width in (40, 60):  # a bar, which might be a one
        image = Image.new("L", (width, 60), 255)
        image.paste(0, (width // 2 - 3, 10, width // 2 + 3, 50))
        image.save(folder / "images" / f"{width}.png")
    settings = ["model=softmax_regression", "data.val_size=50", f"data.root={mnist_root}", *SMALL]
    outputs = folder / "outputs"
    train(compose(settings), outputs / "finished")
    table = folder / "new.csv"
    table.write_text("age,height,kind\n" + "".join(f"{i},{i % 7},{'young' if i < 30 else 'old'}\n" for i in range(60)))
    rows = [
        "model=softmax_regression",
        "data=csv",
        f"data.path={table}",
        "data.target=kind",
        "data.val_size=10",
        *SMALL,
    ]
    train(compose([*rows, "test=false"]), outputs / "table")
    for seed in (0, 1):
        train(compose([*settings, f"seed={seed}"]), outputs / "many" / str(seed))
    with pytest.raises(Interrupted, match="interrupted by signal 2"):
        train(
            compose([*settings, "trainer.max_epochs=3"]), folder / "outputs" / "interrupted", callbacks=[Interruption()]
        )
    return folder


@pytest.fixture
def workplace(template, tmp_path, monkeypatch, page) -> Path:
    """A page's own copy of the template, as the present folder."""
    folder = tmp_path / "work"
    shutil.copytree(template, folder, symlinks=True)
    put_files(page, folder, monkeypatch)
    return folder


@pytest.fixture
def door(monkeypatch) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a door of the project within this process: the exit code, and what it printed."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(words: list[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", words)
        out, err, code = StringIO(), StringIO(), 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                runpy.run_path(str(ROOT / words[0]), run_name="__main__")
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return code, out.getvalue(), err.getvalue()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def shortened(line: ShellLine, folder: Path) -> list[str]:
    """What makes a training line take seconds: further overrides, which go over the line's own."""
    if "resume=" in line.text:
        return []
    cfg = composed(line.words[2:], folder)[0]
    extra = [*SMALL, "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"]
    if cfg.data.get("root") and cfg.data.val_size > 50:
        extra += ["data.val_size=50", "data.batch_size=50"]
    if "optuna" in str(cfg.hydra.sweeper._target_):
        extra.append("hydra.sweeper.n_trials=2")
        extra += ["hydra.sweeper.rerun_best.seeds=1"] if cfg.hydra.sweeper.rerun_best.seeds else []
    return extra


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_runs(page, workplace, door):
    wrong = []
    for line in lines_of(page):
        why_not = reason(line, OTHER_PROGRAMS) or (trains(line) and reason_within(line))
        if why_not:
            print(f"not run: {line.text}   ({why_not})")
            continue
        shows_error = line.shown.startswith("error:")
        extra = shortened(line, workplace / "composed") if trains(line) and not shows_error else []
        code, out, err = door([*globbed(line.words[1:]), *extra])
        print(f"ran: {line.text}")
        if shows_error:
            if code != 2 or err.split() != line.shown.split():
                wrong.append(f"{line.text}\n  shows {line.shown}\n  but says {err}")
        elif code != 0 or "error:" in err:
            wrong.append(f"{line.text}\n  ended with {code}: {err}{out[-1000:]}")
    assert not wrong, f"{page}:\n" + "\n".join(wrong)


def globbed(words: list[str]) -> list[str]:
    """Words with the files in the place of a pattern, as a shell has it."""
    return [found for word in words for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]


def reason_within(line: ShellLine) -> str | None:
    """Why a training line is composed only."""
    return next((why for pattern, why in COMPOSED_ONLY.items() if re.search(pattern, line.text)), None)
