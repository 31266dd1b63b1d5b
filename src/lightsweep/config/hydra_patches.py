"""What Hydra does otherwise in this process.

It composes quicker, offers choices alone that can be made, refuses those that are no names, and files that are none, in
one line, checks every job of a grid before the first, and ends a multirun of which a run has failed as any other.
"""

import argparse
import shutil
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal import defaults_list as hydra_defaults
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core import utils as hydra_utils
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException, MissingConfigException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep.config.check import check
from lightsweep.config.hydra_files import save
from lightsweep.config.own import is_own
from lightsweep.config.quick_composition import compose_quicker
from lightsweep.errors import ConfigError, Interrupted, one_line
from lightsweep.files import make_folder
from lightsweep.paths import RunPaths, SweepPaths, conf_dir, home

_CLOCKS_DIFFER_S = 0.1
"""A file system's clock ticks more seldom than the process's."""

BASES = ("data/base", "sweeps/base")
"""Files that are no choices: what a group's others have in common."""


@cache
def prepare_hydra() -> None:
    """Make Hydra of this process quicker, and have it refuse in time, and in a word that can be told."""
    compose_quicker()
    make_flags()
    if not __debug__:
        _refuse_what_asserts_read()
    _leave_out_bases()
    _refuse_odd_choices()
    _refuse_odd_files()
    _pass_byte_order_marks()
    _refuse_circles()
    _spare_earlier_runs()
    _check_grids()
    _end_multiruns()


def make_flags() -> None:
    """Have Hydra's flags made on Python 3.14 and newer, where argparse checks each help: one of Hydra's is no text."""
    original = getattr(argparse.ArgumentParser, "_check_help", None)

    def check_text(self: argparse.ArgumentParser, action: argparse.Action) -> None:
        if original is not None and isinstance(action.help, str):
            original(self, action)

    argparse.ArgumentParser._check_help = check_text  # type: ignore[attr-defined]


def _refuse_what_asserts_read() -> None:
    """Python's `-O` leaves assertions out, in two of which Hydra's parser goes on to the next word of what it reads."""

    from hydra.core.override_parser.overrides_visitor import HydraOverrideVisitor

    def refuse(*_: Any) -> NoReturn:
        raise ConfigError(
            "Hydra reads neither a function, as of a search, nor a dictionary under Python's -O: leave out that flag, "
            "or unset PYTHONOPTIMIZE"
        )

    for name in ("visitFunction", "visitDictKeyValuePair"):
        setattr(HydraOverrideVisitor, name, refuse)


def _leave_out_bases() -> None:
    """Offer nowhere what only the others of a group build on: not in `--help`, `info`, an error or a glob."""
    original = ConfigRepository.get_group_options

    def offered(
        self: ConfigRepository, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
    ) -> list[str]:
        names = original(self, group_name, results_filter)
        return [name for name in names if not _is_base(self, f"{group_name.strip('/')}/{name}")]

    ConfigRepository.get_group_options = offered  # type: ignore[method-assign]


def _is_base(repository: ConfigRepository, path: str) -> bool:
    """Whether it is one of ours; a file of that name in the user's own `conf/` is a choice."""
    if path not in BASES:
        return False
    source = repository._find_object_source(path, ObjectType.CONFIG)
    return source is not None and Path(source.path) in (conf_dir(), home())


def _refuse_odd_choices() -> None:
    """Refuse `optimizer=null` and the like before Hydra meets them, for it would raise what bugs raise too."""
    original = Overrides.__init__

    def checked(self: Overrides, repo: IConfigRepository, overrides_list: list[Override]) -> None:
        for override in overrides_list:
            if not override.key_or_group:
                raise ConfigCompositionException(f"`{override.input_line}` names no key before its `=`")
            if override.key_or_group in _PLUGINS:
                _refuse_plugins_name(override)
            if not override.is_sweep_override() and repo.group_exists(override.key_or_group):
                _refuse_odd_choice(repo, override)
        original(self, repo, overrides_list)

    Overrides.__init__ = checked  # type: ignore[method-assign]


_PLUGINS = ("hydra.launcher", "hydra.sweeper")
"""Keys of plugins' settings, in whose place Hydra takes a name: it chooses none by it, and a single run never looks."""


def _refuse_plugins_name(override: Override) -> None:
    if override.is_delete() or isinstance(override.value(), dict):
        return
    chosen = str(override.input_line).lstrip("+").replace(".", "/", 1)
    raise ConfigCompositionException(f"`{override.input_line}`: one is chosen with a slash, as {chosen}")


def _refuse_odd_choice(repo: IConfigRepository, override: Override) -> None:
    value: Any = override.value()
    if isinstance(value, dict) or (override.is_delete() and value is None):
        return
    group, names = override.key_or_group, value if isinstance(value, list) else [value]
    options = repo.get_group_options(group)
    if not all(isinstance(name, str) for name in names):
        number = f"; for a key of it: {group}.KEY={value}" if type(value) in (int, float) else ""
        raise ConfigCompositionException(
            f"`{override.input_line}`: `{group}` is chosen by name; there are {', '.join(options)}{number}"
        )
    for name in names if isinstance(value, list) else ():  # of one among several Hydra does not tell the group
        if not repo.config_exists(f"{group}/{name}"):
            raise MissingConfigException(f"there is no {group}/{name}", f"{group}/{name}", options)


def _refuse_odd_files() -> None:
    """Refuse a file that cannot be read, is no text or has odd defaults, as Hydra refuses others."""
    original = ConfigRepository.load_config

    def loaded(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        try:
            return original(self, config_path)
        except OmegaConfBaseException:  # some are a ValueError, too
            raise
        except UnicodeDecodeError as error:
            raise ConfigCompositionException(f"In '{config_path}': save the file as UTF-8: {error}") from None
        except OSError as error:
            raise ConfigCompositionException(f"{error.filename} cannot be read: {error.strerror}") from None
        except ValueError as error:
            told = one_line(error)
            raise ConfigCompositionException(told if config_path in told else f"In '{config_path}': {told}") from None

    ConfigRepository.load_config = loaded  # type: ignore[method-assign]


def _pass_byte_order_marks() -> None:
    """See `# @package _global_` also behind the mark that some editors begin a file with, as YAML's reader does."""
    original = ConfigSource._get_header_dict

    def header(config_text: str) -> dict[str, str | None]:
        return original(config_text.removeprefix("\ufeff"))

    ConfigSource._get_header_dict = staticmethod(header)  # type: ignore[method-assign]


def _refuse_circles() -> None:
    """Refuse files whose defaults lead back to them, which Hydra follows until Python's stack ends."""
    original = hydra_defaults._create_defaults_tree

    def followed(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except RecursionError as error:
            frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
            roots = [frame.f_locals["root"] for frame in frames if frame.f_code.co_name == _FOLLOWS]
            files = dict.fromkeys(str(root.node.get_config_path()) for root in roots[len(roots) // 2 :])
            circle = " → ".join([*files, next(iter(files))])
            raise ConfigCompositionException(f"the `defaults` of files lead back to them: {circle}") from None

    hydra_defaults._create_defaults_tree = followed


_FOLLOWS = "_create_defaults_tree_impl"
"""Hydra's function that calls itself for each entry of a file's defaults."""


def _spare_earlier_runs() -> None:
    """Let a command that is refused not write over the words of a run that its folder holds."""

    def saved(cfg: DictConfig, filename: str, output_dir: Path) -> None:
        save(Path(output_dir) / filename, OmegaConf.to_yaml(cfg))

    hydra_utils._save_config = saved


def _check_grids() -> None:
    """Let a grid hold all its jobs against the schema before the first, where Hydra only looks whether they compose."""

    def validate(self: Sweeper, batch: Sequence[Sequence[str]]) -> None:
        assert self.hydra_context is not None
        assert self.config is not None
        loader = self.hydra_context.config_loader
        for overrides in batch:
            composed = loader.load_sweep_config(self.config, list(overrides))
            task = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
            if is_own(loader) and _resolves(task):
                check(task)

    Sweeper.validate_batch_is_legal = validate  # type: ignore[method-assign]


def _resolves(task: DictConfig) -> bool:
    """Whether a job's values are known before it: its number, or a variable of its machine's, is known to it alone."""
    hydra_config = HydraConfig.instance()
    outer, hydra_config.cfg = hydra_config.cfg, None  # what `${hydra:…}` stands for is the job's own
    try:
        OmegaConf.to_container(task, resolve=True)
    except OmegaConfBaseException:
        return False
    finally:
        hydra_config.cfg = outer
    return True


def _end_multiruns() -> None:
    """Let a multirun's callbacks see its end where a run of it has failed, too: Hydra leaves that out."""
    original = Plugins.instantiate_sweeper

    def instantiated(
        self: Plugins, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> Sweeper:
        sweeper = original(self, hydra_context=hydra_context, task_function=task_function, config=config)
        sweep = sweeper.sweep

        def ended(arguments: list[str]) -> Any:
            began, folder = time.time(), Path(str(config.hydra.sweep.dir))
            new = not folder.exists()
            if str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):  # Optuna's looks for itself
                make_folder(folder, "`hydra.sweep.dir` ")
            try:
                return sweep(arguments)
            except Interrupted:
                raise
            except Exception:
                HydraConfig.instance().set_config(config)  # for who tells how the multirun goes on
                if new:
                    _remove_if_unused(folder)
                if _has_runs_since(began, folder):
                    with suppress(SystemExit):  # by which a callback ends the process; the run's failure is to be told
                        hydra_context.callbacks.on_multirun_end(config=config, config_name=config.hydra.job.config_name)
                raise

        sweeper.sweep = ended  # type: ignore[method-assign]
        return sweeper

    Plugins.instantiate_sweeper = instantiated  # type: ignore[method-assign]


def _remove_if_unused(folder: Path) -> None:
    """Remove what is made before a grid's jobs are held against the schema, if a job was refused."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {SweepPaths(folder).multirun.name}:
        shutil.rmtree(folder)


def _has_runs_since(began: float, folder: Path) -> bool:
    results = folder.rglob(RunPaths(folder).result.name)
    return any(path.stat().st_mtime >= began - _CLOCKS_DIFFER_S for path in results)
