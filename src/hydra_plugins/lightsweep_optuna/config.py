"""Settings of `hydra/sweeper=optuna`, its samplers and its pruners, as Hydra config groups.

Samplers and pruners list every argument that Optuna's constructors take, but the grid's space, which is the sweep's;
None leaves Optuna's own default.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class RerunBestConf:
    """The best settings run again when the sweep is done, on seeds that no trial used."""

    # On how many seeds the best settings run again when the sweep is done; 0: not at all.
    seeds: int = 0
    # How many settings run again, best first.
    top: int = 1
    # The configuration's key of the seed on which they run.
    seed_key: str = "seed"


@dataclass
class OptunaSweeperConf:
    """The official hydra-optuna-sweeper's settings, and after them those that it lacks."""

    _target_: str = "hydra_plugins.lightsweep_optuna.optuna_sweeper.OptunaSweeper"
    _recursive_: bool = False  # samplers are made in the jobs, not here
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, {"pruner": "none"}])

    # A `_target_` with its arguments; groups: tpe, motpe, random, grid, cmaes, gp, nsgaii, nsgaiii, qmc, brute_force.
    sampler: Any = MISSING
    # minimize or maximize; a list for several objectives. null: as lightsweep's `objectives` want; elsewhere minimize.
    direction: Any = None
    # Optuna URL, journal:FILE, or a `_target_`; null keeps a journal in the sweep's folder.
    storage: Any = None
    # A study that exists is gone on with; null is "sweep" in the folder's journal, and a new study elsewhere.
    study_name: str | None = None
    # Trials to finish in the study, over all runs: complete, pruned, or failed by themselves.
    n_trials: int = 20
    # At most so many jobs, each running trials until the sweep is done; null: one job a trial, as the launcher can.
    n_jobs: int | None = None
    # Share of failed trials, 0 to 1, above which the sweep ends; 0 allows none, 1 allows all.
    max_failure_rate: float = 0.5
    # Deprecated by Hydra: key to {type, choices, low, high, log, step}.
    search_space: dict[str, Any] | None = field(default_factory=dict)  # into null the command line can put no key
    # Key to override text: choice(…), range(…), interval(…), tag(log, …), glob(…), a fixed value; and `when`.
    params: dict[str, Any] | None = field(default_factory=dict)
    # Dotted path of a callable (config, trial) that draws more with trial.suggest_….
    custom_search_space: str | None = None

    # A `_target_` with its arguments; groups: none, median, percentile, hyperband, successive_halving, patient,
    # threshold, wilcoxon.
    pruner: Any = MISSING
    # Seconds after which no trial is started; those that run are finished.
    timeout_s: float | None = None
    # Settings to try first: a list of mappings from key to value.
    enqueue: list[Any] | None = None
    # How often a trial that failed by itself is tried again; only its last attempt counts.
    retry_failed: int = 0
    # A trial whose process is killed is run again; settings that lost so many processes have failed.
    max_kills: int = 5
    # Dotted path of a callable (trial, values) that returns numbers, each <= 0 when its constraint is kept.
    constraints: str | None = None
    # Trials that one job runs, one after the other: more than 1 where a job is dear.
    trials_per_job: int = 1
    # Draw a live view where stdout is a terminal; false for a line a trial, as where it is none.
    live: bool = True
    # A searched setting: each of its choices is tuned in a study of its own with n_trials, then the best of each is run
    # again.
    compare: str | None = None
    rerun_best: RerunBestConf = field(default_factory=RerunBestConf)
    # A trial on another host counts as dead so many seconds after its last sign of life; null: never.
    remote_timeout_s: float | None = 120.0


SAMPLERS: dict[str, list[str]] = {
    "tpe TPESampler": ["n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar", "gamma",
                       "weights", "consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints",
                       "warn_independent_sampling", "constraints_func"],
    "motpe MOTPESampler": ["n_startup_trials", "n_ehvi_candidates", "consider_prior", "prior_weight",
                           "consider_magic_clip", "consider_endpoints"],
    "random RandomSampler": [],
    "grid GridSampler": [],
    "cmaes CmaEsSampler": ["x0", "sigma0", "n_startup_trials", "independent_sampler", "warn_independent_sampling",
                           "consider_pruned_trials", "restart_strategy", "popsize", "inc_popsize",
                           "use_separable_cma", "with_margin", "lr_adapt", "source_trials"],
    "gp GPSampler": ["independent_sampler", "n_startup_trials", "deterministic_objective",
                     "warn_independent_sampling", "constraints_func"],
    "nsgaii NSGAIISampler": ["population_size", "mutation", "mutation_prob", "crossover", "crossover_prob",
                             "swapping_prob", "constraints_func", "elite_population_selection_strategy",
                             "child_generation_strategy", "after_trial_strategy"],
    "nsgaiii NSGAIIISampler": ["population_size", "mutation", "mutation_prob", "crossover", "crossover_prob",
                               "swapping_prob", "reference_points", "dividing_parameter", "constraints_func",
                               "elite_population_selection_strategy", "child_generation_strategy",
                               "after_trial_strategy"],
    "qmc QMCSampler": ["qmc_type", "scramble", "independent_sampler", "warn_asynchronous_seeding",
                       "warn_independent_sampling"],
    "brute_force BruteForceSampler": ["avoid_premature_stop"],
}  # fmt: skip

PRUNERS: dict[str, dict[str, Any]] = {
    "none NopPruner": {},
    "median MedianPruner": {"n_startup_trials": None, "n_warmup_steps": None, "interval_steps": None,
                            "n_min_trials": None},
    "percentile PercentilePruner": {"percentile": 25.0, "n_startup_trials": None, "n_warmup_steps": None,
                                    "interval_steps": None, "n_min_trials": None},
    "hyperband HyperbandPruner": {"min_resource": None, "max_resource": None, "reduction_factor": None,
                                  "bootstrap_count": None},
    "successive_halving SuccessiveHalvingPruner": {"min_resource": None, "reduction_factor": None,
                                                   "min_early_stopping_rate": None, "bootstrap_count": None},
    "patient PatientPruner": {"wrapped_pruner": None, "patience": 3, "min_delta": None},
    "threshold ThresholdPruner": {"lower": None, "upper": None, "n_warmup_steps": None, "interval_steps": None},
    "wilcoxon WilcoxonPruner": {"p_threshold": None, "n_startup_steps": None},
}  # fmt: skip


def register() -> None:
    """Put the sweeper and its groups where Hydra looks."""
    store = ConfigStore.instance()
    store.store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="lightsweep")
    for names, arguments in SAMPLERS.items():
        name, cls = names.split()
        node = {"_target_": f"optuna.samplers.{cls}", "seed": None, **dict.fromkeys(arguments)}
        store.store(group="hydra/sweeper/sampler", name=name, node=node, provider="lightsweep")
    for names, values in PRUNERS.items():
        name, cls = names.split()
        node = {"_target_": f"optuna.pruners.{cls}", **values}
        store.store(group="hydra/sweeper/pruner", name=name, node=node, provider="lightsweep")


register()
