"""The grammar of spaces: what each notation draws, and what is refused."""

from contextlib import nullcontext

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError
from lightsweep.sweeping.conditions import refuse_overlaps
from lightsweep.sweeping.grammar import parameter_from_mapping, parameter_of, parse
from lightsweep.sweeping.space import build_space, grid_of, grid_size


def parameter(line: str):
    return parameter_of(parse([line], None)[0])


@pytest.mark.parametrize(
    ("line", "distribution"),
    [
        ("k=choice(1,2)", CategoricalDistribution([1, 2])),
        ("k=a,b", CategoricalDistribution(["a", "b"])),
        ("k=choice(true,false)", CategoricalDistribution([True, False])),
        ("k=choice('hello','world')", CategoricalDistribution(["hello", "world"])),
        ("k=choice([64,64],[128])", CategoricalDistribution(["[64,64]", "[128]"])),
        ("k=shuffle(a,b,c)", CategoricalDistribution(["a", "b", "c"])),
        ("k=interval(1,5)", FloatDistribution(1, 5)),
        ("k=int(interval(1,5))", IntDistribution(1, 5)),
        ("k=tag(log,interval(1,5))", FloatDistribution(1, 5, log=True)),
        ("k=tag(log,int(interval(1,5)))", IntDistribution(1, 5, log=True)),
        ("k=tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("k=range(1,3)", IntDistribution(1, 2)),
        ("k=range(3)", IntDistribution(0, 2)),
        ("k=range(1,8,3)", IntDistribution(1, 7, step=3)),
        ("k=range(3,0,-1)", IntDistribution(1, 3)),
        ("k=range(0,1,0.1)", FloatDistribution(0, 0.9, step=0.1)),
        ("k=range(0.5,5.5,step=1)", FloatDistribution(0.5, 4.5, step=1)),
    ],
)
def test_notation_becomes_distribution(line, distribution):
    assert parameter(line).distribution == distribution


def test_range_means_what_hydra_draws_from_it():
    for line in ("k=range(0,1,0.1)", "k=range(1,8,3)", "k=range(5,-2,-2)"):
        override = parse([line], None)[0]
        drawn = sorted(float(value) for value in override.sweep_iterator())
        assert parameter_of(override).grid() == pytest.approx(drawn)


def test_values_on_a_grid_have_no_binary_tail():
    momentum = parameter("k=range(0,1,0.1)")
    assert momentum.text(0.1 * 3) == "0.3"
    assert momentum.grid() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


@pytest.mark.parametrize(
    "value", ["a b", "1", "it's", "back\\", "\\'", "null", "True", "a,b", "adam", 1e-5, -3, True, None]
)
def test_override_text_is_read_back_as_the_same_value(value):
    assert parse([f"k={override_text(value)}"], None)[0].value() == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("k=interval(5,1)", "`k` has low 5 above high 1"),
        ("k=tag(log,interval(0,1))", "must be above 0 but is 0"),
        ("k=tag(log,range(1,9,2))", "a step of 2 and a log scale"),
        ("k=tag(log,range(1.0,9.0))", "a step of 1 and a log scale; it can have only one, so use an interval"),
        ("k=interval(1,nan)", "finite numbers as its bounds and step but has nan"),
        ("k=interval(-inf,inf)", "but has -inf"),
        ("k=range(0,inf)", "but has inf"),
        ("k=range(0,1,nan)", "but has nan"),
        ("k=range(3,3)", "empty range"),
        ("k=range(3,1)", "empty range"),
        ("k=range(1,3,0)", "range with step 0"),
        ("k=tag(lgo,interval(1,2))", "unknown tag 'lgo'; known: log"),
        ("k=tag(log,choice(1,2))", "choice, which has no log scale"),
        ("k=choice(a,a)", "the choice 'a' twice"),
        ("k=interval(", "cannot read the override"),
        ("hydra.verbose=true,false", "searches Hydra's own configuration"),
    ],
)
def test_contradictory_space_is_refused(line, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        parameter(line)


@pytest.mark.parametrize(
    ("given", "distribution"),
    [
        ({"type": "categorical", "choices": [1, 2, 3]}, CategoricalDistribution([1, 2, 3])),
        ({"type": "int", "low": 0, "high": 10, "step": 2}, IntDistribution(0, 10, step=2)),
        ({"type": "int", "low": 1, "high": 100, "log": True}, IntDistribution(1, 100, log=True)),
        ({"type": "int", "low": 1, "high": 100, "log": True, "step": 1}, IntDistribution(1, 100, log=True)),
        ({"type": "float", "low": 0, "high": 10, "step": 2}, FloatDistribution(0, 10, step=2)),
        ({"type": "float", "low": 1, "high": 100, "log": True}, FloatDistribution(1, 100, log=True)),
    ],
)
def test_deprecated_notation_becomes_distribution(given, distribution):
    assert parameter_from_mapping("k", given).distribution == distribution


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "`search_space.k` must be a mapping with a type but is 3"),
        ({"type": "categorical", "choices": "abc"}, "`search_space.k.choices` must be a list but is 'abc'"),
        ({"type": "real"}, "must be categorical, int or float"),
        ({"type": "int", "low": 1}, "needs low and high"),
        ({"type": "float", "low": "a", "high": 2}, "but has a"),
        ({"type": "int", "low": 0, "high": 3.7}, "`k` must have whole numbers .* but has 3.7"),
        ({"type": "int", "low": 0, "high": 3, "step": 0.5}, "`k` must have whole numbers .* but has 0.5"),
        ({"type": "float", "low": 1, "high": 9, "log": True, "step": 1}, "a step of 1 and a log scale"),
    ],
)
def test_deprecated_notation_is_checked(given, message):
    with pytest.raises(ConfigError, match=message):
        parameter_from_mapping("k", given)


def test_command_line_goes_over_the_file():
    params = {"x": "interval(0,1)", "y": "interval(0,1)", "z": 3, "when": {"o=a": {"x": "interval(2,3)"}}}
    space = build_space(params, None, ["x=5", "z=range(2)"])
    assert [parameter.key for parameter in space.every_parameter()] == ["y", "z"]
    assert [line for _, line in space.every_fixed()] == ["x=5"]


def test_deleting_a_key_takes_it_out_of_the_space():
    space = build_space({"x": "interval(0,1)", "z": "choice(1,2)"}, None, ["~z"])
    assert [parameter.key for parameter in space.parameters] == ["x"]
    assert space.fixed == (("z", "~z"),)


CONDITIONAL = {
    "optimizer": "choice(sgd, adam, lion)",
    "when": {
        "optimizer=sgd": {"lr": "interval(1,2)", "momentum": "interval(0,0.9)"},
        "optimizer=adam,lion": {"lr": "interval(3,4)", "when": {"optimizer=lion": {"beta": "interval(0,1)"}}},
    },
}


def test_branches_draw_what_applies_and_keep_their_own_distributions():
    space = build_space(CONDITIONAL, None, [])
    values = {"optimizer": "lion", "lr[optimizer=adam,lion]": 3.5, "beta": 0.25}
    assert space.suggest(FixedTrial(values), {}.get) == ["optimizer=lion", "lr=3.5", "beta=0.25"]


def test_one_condition_within_two_others_makes_two_parameters():
    inner = [{"when": {"p=c": {"x": text}}} for text in ("interval(0,1)", "interval(2,3)")]
    params = {"o": "choice(a,b)", "p": "choice(c,d)", "when": dict(zip(("o=a", "o=b"), inner, strict=True))}
    space = build_space(params, None, [])
    assert list(space.signature()) == ["o", "p", "x[o=a, p=c]", "x[o=b, p=c]"]
    assert space.suggest(FixedTrial({"o": "b", "p": "c", "x[o=b, p=c]": 2.5}), {}.get) == ["o=b", "p=c", "x=2.5"]


def test_the_command_line_comes_after_the_file_so_that_it_wins():
    space = build_space({"optimizer": "{lr: 0.3}", "x": "1"}, None, ["optimizer.lr=0.7"])
    assert [key for key, _ in space.fixed] == ["optimizer", "x", "optimizer.lr"]


@pytest.mark.parametrize("around", [None, "o=a"])
def test_a_fixed_part_of_a_drawn_mapping_wins_over_it(around):
    net = {"net": "{lr: 1},{lr: 2}"}
    space = build_space({"o": "a,b", "when": {around: net}} if around else net, None, ["net.lr=0.7", "nets=3"])
    lines = space.suggest(FixedTrial({"o": "a", "net": "{lr:1}"}), {}.get)
    assert lines[0] == "nets=3"
    assert lines[-2:] == ["net={lr:1}", "net.lr=0.7"]


def test_condition_on_a_fixed_or_configured_key():
    space = build_space(CONDITIONAL, None, ["optimizer=sgd"])
    values = {"lr[optimizer=sgd]": 1.5, "momentum": 0.5}
    assert space.suggest(FixedTrial(values), {}.get) == ["optimizer=sgd", "lr=1.5", "momentum=0.5"]
    inherited = build_space({"when": {"model=mlp": {"depth": "range(1,4)"}}}, None, [])
    assert inherited.suggest(FixedTrial({"depth": 2}), {"model": "mlp"}.get) == ["depth=2"]
    assert inherited.suggest(FixedTrial({}), {"model": "cnn"}.get) == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"when": {"optimizer": {"lr": "interval(0,1)"}}}, "must map 'key=value'"),
        ({"when": ["a=b"]}, "must map conditions"),
        ({"x": [1, 2]}, r"must be text such as 'choice\(1, 2\)'"),
        ({"lr": "interval(0,1)", "when": {"o=a": {"lr": "interval(0,2)"}}}, "under a condition and without one"),
    ],
)
def test_malformed_params_are_refused(params, message):
    with pytest.raises(ConfigError, match=message):
        build_space(params, None, [])


def test_grid_needs_countable_parameters_without_conditions():
    assert grid_size(build_space({"a": "choice(1,2)", "b": "range(3)"}, None, [])) == 6
    with pytest.raises(ConfigError, match="`a` is an interval"):
        grid_of(build_space({"a": "interval(0,1)"}, None, []))
    with pytest.raises(ConfigError, match="brute_force"):
        grid_of(build_space(CONDITIONAL, None, []))


@pytest.mark.parametrize(
    ("condition", "text", "holds"),
    [("o='a'", "a", True), ("o=a", "'a'", True), ("o=1.0", "1", True), ("o=1", "'1'", False), ("o=1", "true", False)],
)
def test_condition_compares_values_not_texts(condition, text, holds):
    space = build_space({"when": {condition: {"x": 1}}}, None, [f"o={text}"])
    assert ("x=1" in space.suggest(FixedTrial({}), {}.get)) is holds


def test_strings_of_a_choice_stay_strings():
    for line in ("k=choice('1','true')", "k='1','true'"):
        choices = parameter(line)
        assert [parse([f"k={choices.text(value)}"], None)[0].value() for value in choices.grid()] == ["1", "true"]
    odd = ["é1", "ü b", "a'b", "#c", "2layer"]
    choices = parameter_from_mapping("k", {"type": "categorical", "choices": odd})
    assert [parse([f"k={choices.text(value)}"], None)[0].value() for value in odd] == odd
    assert parameter("k=choice('é1','ü b')").text("é1") == "'é1'"
    assert parameter("k=choice(adam,2layer)").text("2layer") == "2layer"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"o": "choice(a,b)", "when": {"o=c": {"x": 1}}}, "has 'o=c', which never holds: o is a or b"),
        ({"o": "range(1,4)", "when": {"o=4": {"x": 1}}}, "has 'o=4', which never holds: o is from 1 to 3$"),
        ({"o": "range(1,9,2)", "when": {"o=4": {"x": 1}}}, "never holds: o is from 1 to 7 in steps of 2"),
        ({"o": "range(0,1,0.25)", "when": {"o=0.3": {"x": 1}}}, "never holds: o is from 0 to 0.75 in steps of 0.25"),
        ({"o": "interval(0.0,1.0)", "when": {"o=nan": {"x": 1}}}, "never holds: o is from 0 to 1$"),
        (
            {"o": "choice(a,b,c)", "when": {"o=a,b": {"x": 1}, "o=b,c": {"x": 2}}},
            "sets `x` under 'o=a,b' and under 'o=b,c', which can hold together",
        ),
        (
            {"o": "choice(a,b)", "p": "choice(a,b)", "when": {"o=a": {"x": "range(2)"}, "p=a": {"x": "range(3)"}}},
            "under 'o=a' and under 'p=a', which can hold together",
        ),
    ],
)
def test_condition_that_never_holds_or_holds_with_another_is_refused(params, message):
    with pytest.raises(ConfigError, match=message):
        build_space(params, None, [])


@pytest.mark.parametrize(
    ("when", "configured", "together"),
    [
        ({"o=a": {"x": 1}, "p=1": {"x": 2}}, {"p": "1"}, True),
        ({"o=a": {"x": 1}, "p=1": {"x": 2}}, {"p": "2"}, False),
        ({"o=a": {"x": 1, "p": 2}, "p=1": {"x": 2}}, {"p": "1"}, False),  # the first sets what the second asks for
        ({"o=a": {"x": 1, "p": 1}, "p=1": {"x": 2}}, {"p": "2"}, True),
        ({"o=a": {"x": 1, "p": "choice(1,2)"}, "p=1": {"x": 2}}, {"p": "1"}, False),  # the trial alone knows
        ({"p=1": {"x": 2}, "o=a": {"x": 1, "p": 2}}, {"p": "1"}, True),  # the first was asked before
        ({"o=a": {"x": 1, "p": 2}, "p=null": {"x": 2}}, {"p": "null"}, False),
    ],
)
def test_conditions_hold_together_by_what_is_configured_and_what_the_first_sets(when, configured, together):
    with pytest.raises(ConfigError, match="which can hold together") if together else nullcontext():
        refuse_overlaps(build_space({"o": "choice(a,b)", "when": when}, None, []), configured)


def test_condition_that_the_command_line_rules_out_is_no_mistake():
    params = {"o": "choice(a,b)", "when": {"o=a": {"x": 1}, "o=b": {"x": 2}}}
    assert build_space(params, None, ["o=a,c"]).suggest(FixedTrial({"o": "c"}), {}.get) == ["o=c"]
