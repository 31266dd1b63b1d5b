"""Samplers and pruners from configuration nodes: every group, the official spellings, seeds, missing packages."""

import importlib.util
import inspect
from collections.abc import Mapping

import optuna
import pytest
from hydra.core.config_store import ConfigStore

import hydra_plugins.lightsweep_optuna.config as plugin
from lightsweep.errors import ConfigError
from lightsweep.imports import how_to_install
from lightsweep.sweeping.algorithms import check_decides, check_draws, make_pruner, make_sampler
from lightsweep.sweeping.space import Space, build_space

SPACE = build_space({"x": "range(0,1,0.1)", "y": "choice(a,b)"}, None, [])


def node(group: str, name: str) -> Mapping:
    loaded = ConfigStore.instance().load(f"hydra/sweeper/{group}/{name}.yaml").node
    return {str(key): value for key, value in loaded.items()}


@pytest.fixture(autouse=True)
def registered():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plugin.register()


NEEDS = {
    "sampler": {"cmaes": "cmaes", "gp": "scipy", "qmc": "scipy"},
    "pruner": {"wilcoxon": "scipy"},
}
MAKE = {"sampler": lambda given: make_sampler(given, SPACE), "pruner": make_pruner}


def need(kind: str, name: str) -> None:
    """Skip where the package of a sampler or pruner is not installed; gp needs torch too, which is there."""
    package = NEEDS[kind].get(name)
    if package is not None:
        pytest.importorskip(package, reason=f"{name} needs {package}: install lightsweep[samplers]")


@pytest.mark.parametrize("name", [names.split()[0] for names in plugin.SAMPLERS])
def test_each_sampler_group_draws_within_the_space(name):
    need("sampler", name)
    study = optuna.create_study(sampler=make_sampler({**node("sampler", name), "seed": 1}, SPACE, 0))
    num_trials = 14  # beyond the ten with which samplers start, so that they draw by their own rule
    for _ in range(num_trials):
        trial = study.ask({parameter.name: parameter.distribution for parameter in SPACE.parameters})
        study.tell(trial, trial.params["x"])
    assert len(study.trials) == num_trials
    assert {trial.params["y"] for trial in study.trials} <= {"a", "b"}
    assert all(0 <= trial.params["x"] <= 0.9 for trial in study.trials)


@pytest.mark.parametrize("name", [names.split()[0] for names in plugin.PRUNERS])
def test_each_pruner_group_decides(name):
    need("pruner", name)
    given = {**node("pruner", name), **({"upper": 5.0} if name == "threshold" else {})}
    study = optuna.create_study(pruner=make_pruner(given), study_name="s")
    assert type(study.pruner).__name__ == dict(names.split() for names in plugin.PRUNERS)[name]
    for level in (1.0, 1.1, 0.9, 1.2, 1.0, 1.1, 9.0):
        trial = study.ask()
        decisions = []
        for step in range(12):
            trial.report(level + step / 100, step)
            decisions.append(trial.should_prune())
        study.tell(trial, level)
    assert any(decisions) == (name != "none")  # the last is by far the worst, and rises at every step


def test_threshold_without_a_bound_is_told():
    with pytest.raises(ConfigError, match="ThresholdPruner: Either lower or upper must be specified"):
        make_pruner(node("pruner", "threshold"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"min_resource": 0}, "HyperbandPruner with min_resource=0 cannot decide: division by zero"),
        ({"reduction_factor": 1}, "HyperbandPruner with reduction_factor=1 cannot decide: .*division by zero"),
        ({"max_resource": -5}, "HyperbandPruner with max_resource=-5 cannot decide: "),
        ({"min_resource": "abc"}, "HyperbandPruner with min_resource='abc' cannot decide: unsupported operand type"),
    ],
)
def test_pruner_that_cannot_decide_is_told(given, text):
    with pytest.raises(ConfigError, match=text):
        check_decides({**node("pruner", "hyperband"), **given})


@pytest.mark.parametrize("name", [names.split()[0] for names in plugin.PRUNERS])
def test_each_pruner_group_passes_the_check(name):
    need("pruner", name)
    check_decides({**node("pruner", name), **({"upper": 5.0} if name == "threshold" else {})})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NEEDS.items() for name in names])
def test_missing_package_is_named(kind, name, monkeypatch):
    package, find_spec = NEEDS[kind][name], importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked, *rest: None if asked == package else find_spec(asked, *rest)
    )
    install = how_to_install(package)
    with pytest.raises(ConfigError, match=rf"needs {package}: {install}, or lightsweep\[samplers"):
        MAKE[kind](node(kind, name))


def test_groups_name_all_arguments_that_optuna_has_and_no_others():
    for names, arguments in plugin.SAMPLERS.items():
        name, cls = names.split()
        if name != "motpe":  # kept for old configurations; Optuna has it no more
            known = inspect.signature(getattr(optuna.samplers, cls)).parameters
            gone = {"constraints_func", "restart_strategy", "inc_popsize"}
            assert set(arguments) - gone <= set(known), name
            assert set(known) - {"seed", "search_space"} <= set(arguments), name


def test_patient_pruner_wraps_another():
    wrapped = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2}
    pruner = make_pruner({"_target_": "optuna.pruners.PatientPruner", "patience": 1, "wrapped_pruner": wrapped})
    assert isinstance(pruner._wrapped_pruner, optuna.pruners.MedianPruner)


def test_patient_pruner_around_what_is_none_is_told():
    with pytest.raises(
        ConfigError, match=r"wrapped_pruner` must be a mapping with a _target_ but got 'median'; one is"
    ):
        make_pruner({**node("pruner", "patient"), "wrapped_pruner": "median"})


def test_official_tpe_settings_are_accepted_without_warning():
    official = {
        "_target_": "optuna.samplers.TPESampler", "seed": 123, "consider_prior": True, "prior_weight": 1.0,
        "consider_magic_clip": True, "consider_endpoints": False, "n_startup_trials": 10, "n_ei_candidates": 24,
        "multivariate": False, "warn_independent_sampling": True,
    }  # fmt: skip
    assert isinstance(make_sampler(official, SPACE), optuna.samplers.TPESampler)


def test_official_motpe_becomes_tpe():
    official = {"_target_": "optuna.samplers.MOTPESampler", "n_ehvi_candidates": 12}
    sampler = make_sampler(official, SPACE)
    assert isinstance(sampler, optuna.samplers.TPESampler)
    assert sampler._n_ei_candidates == 12


def test_conditional_space_is_drawn_group_by_group():
    space = build_space({"o": "choice(a,b)", "when": {"o=a": {"x": "interval(0,1)"}}}, None, [])
    assert make_sampler({"_target_": "optuna.samplers.TPESampler"}, space)._group
    assert not make_sampler({"_target_": "optuna.samplers.TPESampler"}, SPACE)._group


@pytest.mark.parametrize("num_directions", [1, 2])
def test_conditional_space_is_drawn_without_a_warning_for_any_number_of_objectives(num_directions):
    space = build_space({"x": "interval(0,1)", "when": {"x=1": {"y": "interval(0,1)"}}}, None, [])
    sampler = make_sampler({"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 1}, space)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * num_directions)
    for _ in range(2):
        study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), [0.0] * num_directions)


def test_seed_is_spread_over_trials():
    random = {"_target_": "optuna.samplers.RandomSampler", "seed": 5}

    def draw(index: int) -> float:
        return optuna.create_study(sampler=make_sampler(random, Space(), index)).ask().suggest_float("x", 0, 1)

    assert draw(0) == draw(0)
    assert len({draw(index) for index in range(20)}) == 20


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "has no _target_; choose one with hydra/sweeper/sampler=NAME"),
        ({"_target_": "optuna.samplers.NoSampler"}, "cannot be used"),
        ({"_target_": "lightsweep.sweeping.plan.Space"}, "is no Optuna sampler"),
        ({"_target_": "optuna.samplers.TPESampler", "n_start": 3}, "n_start` is not an argument"),
    ],
)
def test_wrong_sampler_is_told(given, message):
    with pytest.raises(ConfigError, match=message):
        make_sampler(given, SPACE)


@pytest.mark.parametrize("name", [names.split()[0] for names in plugin.SAMPLERS])
@pytest.mark.parametrize("num_directions", [1, 2])
def test_each_sampler_group_is_seen_to_draw_before_any_trial(name, num_directions):
    need("sampler", name)
    directions = ["minimize", "maximize"][:num_directions]
    conditional = build_space({"o": "choice(a,b)", "when": {"o=a": {"x": "interval(0,1)"}}}, None, [])
    spaces = [SPACE] if name in ("grid", "brute_force") else [SPACE, conditional]
    for space in spaces:
        if name == "cmaes" and num_directions > 1:
            with pytest.raises(ConfigError, match=r"CmaEsSampler cannot draw: If the study is .* multi-objective"):
                check_draws(node("sampler", name), space, directions, {}.get)
        else:
            check_draws(node("sampler", name), space, directions, {}.get)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_startup_trials": "abc"}, "TPESampler with n_startup_trials='abc' cannot draw: '<' not supported"),
        ({"n_ei_candidates": 0}, "TPESampler with n_ei_candidates=0 cannot draw: "),
        ({"n_ei_candidates": 0, "n_startup_trials": 0}, "n_ei_candidates=0, n_startup_trials=0 cannot draw: "),
        ({"n_ei_candidates": 0, "n_startup_trials": 10**6}, "cannot draw: "),
        ({"seed": "abc"}, "TPESampler with seed='abc' cannot draw: invalid literal for int"),
    ],
)
def test_sampler_that_cannot_draw_is_told(given, message):
    with pytest.raises(ConfigError, match=f"^`hydra.sweeper.sampler` .*{message}"):
        check_draws({"_target_": "optuna.samplers.TPESampler", **given}, SPACE, ["minimize"], {}.get)


@pytest.mark.slow
def test_sampler_that_cannot_draw_by_its_own_rule_is_told():
    need("sampler", "cmaes")
    given = {**node("sampler", "cmaes"), "popsize": 1}
    space = build_space({"x": "interval(0,1)", "y": "interval(0,1)"}, None, [])
    with pytest.raises(ConfigError, match="CmaEsSampler with popsize=1 cannot draw: "):
        check_draws(given, space, ["minimize"], {}.get)


def test_sampler_of_the_users_own_is_left_to_the_trials():
    check_draws({"_target_": "tests.sweeping.test_algorithms.NeverDraws"}, SPACE, ["minimize"], {}.get)


class NeverDraws(optuna.samplers.RandomSampler):
    def sample_independent(self, *_):
        raise AssertionError("asked")
