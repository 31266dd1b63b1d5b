"""What is taken from a docstring: plain text, a sentence for each argument."""

import pytest

from lightsweep.config.docstring import entries, plain, summary


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Log using `MLflow <https://mlflow.org>`_.", "Log using MLflow."),
        ("as `our article\n<https://a.b/c>`__ says", "as our article says"),
        ("the paper `On Convergence`_ and `ROC AUC`__", "the paper On Convergence and ROC AUC"),
        ("a :class:`~optuna.trial.FrozenTrial` or :class:`optuna.Study`", "a FrozenTrial or optuna.Study"),
        ("If :obj:`True`, ``T_max`` and `lr`", "If True, T_max and lr"),
        (":ref:`accelerators<accelerators>`, :math:`\\eta`", "accelerators, eta"),
        ("share < 1, or `a` <= b and `c` > d", "share < 1, or a <= b and c > d"),
        ("snake_case_ and 2_000", "snake_case_ and 2_000"),
    ],
)
def test_markup_becomes_plain_text(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        ("lr (float, optional): the rate. Or not.", "the rate"),
        ("lr (float, optional) : the rate (default: 1e-3)", "the rate"),
        ("lr:\n        The rate of\n        steps.\n\n        .. note:: None.\n    eps: other", "The rate of steps"),
        ("\n    lr:\n        The rate; see v2.0 e.g. Adam's.", "The rate; see v2.0 e.g. Adam's"),
        ("lr: One of:\n\n        - a: first. More.\n        - b\n\n    eps: other", "One of: a: first; b"),
    ],
)
def test_an_argument_has_its_first_sentence(lines, meaning):
    found = {name: said for names, said in entries(f"A thing.\n\nArgs:\n    {lines}\n") for name in names}

    assert found["lr"] == meaning
    assert found.get("eps", "other") == "other"


def test_the_summary_is_the_first_line():
    assert summary("\n  `Top-label`_ error.\n\n  More.") == "Top-label error."
    assert summary("") == ""
