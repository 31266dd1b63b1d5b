"""A type in words, as `info` and the reference tell it."""

import pytest

from lightsweep.config.schema import Data, Model, Scheduler, Trainer
from lightsweep.config.type_words import described, in_words


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        (Data, "transforms", "list of groups of keys"),
        (Model, "filters", "list of whole numbers in [1, inf) or lists of whole numbers in [1, inf)"),
        (Model, "compile", "true or false or one of reduce-overhead, max-autotune"),
        (Scheduler, "total_steps", "whole number in [1, inf) or auto or null"),
        (Trainer, "limit_val_batches", "whole number in [1, inf) or number in (0, 1]"),
        (Trainer, "grad_clip", "number in (0, inf) or null"),
    ],
)
def test_a_fields_type_is_told_in_english(group, name, words):
    assert described(group.model_fields[name]) == words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("bool", "true or false"),
        ("str | None", "text or null"),
        ("Literal['cos', 'linear']", "one of cos, linear"),
        ("Literal[True, False, 'all']", "one of true, false, all"),
        ("Optional[_PATH]", "text or null"),
        ("Union['Run', 'RunDisabled', None]", "Run or RunDisabled or null"),
        ("Optional[Union[int, list[float], Tensor]]", "whole number or list of numbers or Tensor or null"),
        ("int | str | None", "whole number or text or null"),
        ("dict[str, Any]", "group of keys"),
        ("typing.Callable[[FrozenTrial], Sequence[float]] | None", "function or null"),
        ("np.ndarray", "ndarray"),
        ("", ""),
        ("not a type", "not a type"),
    ],
)
def test_an_annotation_is_told_in_the_same_words(annotation, words):
    assert in_words(annotation) == words
