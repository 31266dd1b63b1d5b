"""What a DataModule of one's own gives is held against its `spec`, in one line that says what is wrong."""

import numpy as np
import pytest
import torch

from lightsweep.data import ArrayDataModule, Arrays, DataSpec
from lightsweep.errors import ConfigError, DataError

NUM = 30
INPUTS = torch.rand(NUM, 3)
CLASSES = torch.arange(NUM) % 4
NUMBERS = torch.rand(NUM, 1)


class Own(ArrayDataModule):
    def __init__(self, given, spec):
        super().__init__(batch_size=5, val_size=5)
        self.given, self.spec = given, spec

    def load_train(self):
        return self.given

    load_test = load_train


def read(given, num_classes=4, stage="fit", spec=None):
    data = Own(given, spec or DataSpec((3,), num_classes))
    data.setup(stage)
    return data.splits["train" if stage == "fit" else "test"]


def with_value(numbers, value):
    changed = numbers.clone()
    changed[4] = value
    return changed


@pytest.mark.parametrize(
    ("given", "num_classes", "message"),
    [
        (None, 4, r"must give Arrays\(inputs, targets\) or ImageFiles but gave NoneType"),
        ((INPUTS, CLASSES), 4, r"must give Arrays\(inputs, targets\) or ImageFiles but gave tuple"),
        (Arrays(INPUTS.numpy(), CLASSES), 4, "must give inputs as a tensor but gave ndarray"),
        (Arrays(INPUTS, np.zeros(NUM)), 4, "must give targets as a tensor but gave ndarray"),
        (Arrays(INPUTS.to_sparse(), CLASSES), 4, r"inputs as a dense tensor but gave one of layout torch\.sparse_coo"),
        (Arrays(INPUTS.cfloat(), CLASSES), 4, r"inputs that are real numbers but gave torch\.complex64"),
        (Arrays(INPUTS, NUMBERS.cfloat()), None, r"targets that are real numbers but gave torch\.complex64"),
        (Arrays(INPUTS[:, :2], CLASSES), 4, r"inputs of shape \(N, 3\), as `spec` says, but gave \(30, 2\)"),
        (Arrays(torch.tensor(1.0), CLASSES), 4, r"inputs of shape \(N, 3\), as `spec` says, but gave \(\)"),
        (Arrays(INPUTS, CLASSES[:20]), 4, "as many targets as inputs but gave 30 inputs, 20 targets"),
        (Arrays(INPUTS[:0], CLASSES[:0]), 4, "gave no examples"),
        (Arrays(INPUTS, CLASSES[:, None]), 4, r"targets that are classes of shape \(N,\) but gave \(30, 1\)"),
        (Arrays(INPUTS, CLASSES.float()), 4, "classes, of type torch.int64, but gave torch.float32"),
        (Arrays(INPUTS, CLASSES), 3, r"targets in 0\.\.2, as `spec` says, but gave 0\.\.3"),
        (Arrays(INPUTS, CLASSES - 1), 4, r"targets in 0\.\.3, as `spec` says, but gave -1\.\.2"),
        (Arrays(with_value(INPUTS, torch.nan), CLASSES), 4, r"inputs that are finite, .* but they lie in nan\.\.nan"),
        (Arrays(with_value(INPUTS.double(), 1e200), CLASSES), 4, r"inputs that are finite, as torch\.float32 too"),
        (Arrays(INPUTS, NUMBERS[:, 0]), None, r"targets that are numbers of shape \(N, 1\) but gave \(30,\)"),
        (Arrays(INPUTS, NUMBERS.repeat(1, 2)), None, r"numbers of shape \(N, 1\) but gave \(30, 2\)"),
        (Arrays(INPUTS, with_value(NUMBERS, torch.inf)), None, r"targets that are finite, .* in .*\.\.inf"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(given, num_classes, message):
    for stage, method in (("fit", "load_train"), ("test", "load_test")):
        with pytest.raises(DataError, match=rf"^`Own\.{method}` .*{message}") as caught:
            read(given, num_classes, stage)
        assert "\n" not in str(caught.value)


def test_a_data_set_without_a_spec_is_told_so():
    with pytest.raises(DataError, match=r"^`Own\.load_train`: `spec` must be a DataSpec but is dict$"):
        read(Arrays(INPUTS, CLASSES), spec={"input_shape": (3,)})


@pytest.mark.parametrize("names", [tuple("abc"), tuple("abcde")])
def test_as_many_names_as_classes_or_none_at_all(names):
    message = rf"^`Own\.load_train`: `spec\.class_names` must be 4 names, one for each class, but got {len(names)}$"
    with pytest.raises(DataError, match=message):
        read(Arrays(INPUTS, CLASSES), spec=DataSpec((3,), 4, names))

    assert DataSpec((3,), 4).class_names == ("0", "1", "2", "3")
    assert DataSpec((3,), None).class_names == ()


def test_a_data_set_without_load_test_has_no_test_set():
    class Untested(Own):
        load_test = ArrayDataModule.load_test

    data = Untested(Arrays(INPUTS, CLASSES), DataSpec((3,), 4))

    assert (data.tests, Own(data.given, data.spec).tests) == (False, True)
    with pytest.raises(ConfigError, match=r"^`Untested` has no load_test, so there is no test set: write it, or test="):
        data.setup("test")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.bool])
def test_any_integers_are_classes(dtype):
    targets = CLASSES % 2

    assert read(Arrays(INPUTS, targets.to(dtype)), 2, "test").targets.equal(targets)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_numbers_to_be_predicted_have_the_type_of_the_weights(dtype):
    assert read(Arrays(INPUTS, NUMBERS.to(dtype)), None).targets.dtype == torch.float32


def test_what_a_network_of_ones_own_made_is_not_trained_through():
    split = read(Arrays(torch.nn.Linear(3, 3)(INPUTS), NUMBERS.clone().requires_grad_()), None)

    assert not split.inputs.requires_grad
    assert not split.targets.requires_grad


class OwnValidation(Own):
    def load_val(self):
        return Arrays(INPUTS[:7], CLASSES[:7])


def test_validation_examples_may_be_given_and_are_held_against_the_spec_too():
    data = OwnValidation(Arrays(INPUTS, CLASSES), DataSpec((3,), 4))
    data.val_size = "own"
    data.setup("fit")
    assert [len(data.splits[name]) for name in ("train", "val")] == [NUM, 7]

    narrow = OwnValidation(Arrays(INPUTS, CLASSES % 2), DataSpec((3,), 2))
    narrow.val_size = "own"
    with pytest.raises(DataError, match=r"^`OwnValidation\.load_val` .*"):
        narrow.setup("fit")


def test_data_without_validation_examples_of_their_own_say_so():
    data = Own(Arrays(INPUTS, CLASSES), DataSpec((3,), 4))
    data.val_size = "own"

    with pytest.raises(
        ConfigError, match=r"^`data\.val_size=own` needs validation examples, but `Own` has no load_val$"
    ):
        data.setup("fit")


@pytest.mark.parametrize(("shape", "classes"), [(2, 2), ((2,), 2.0)])
def test_a_spec_of_other_types_is_told_what_to_hold(shape, classes):
    class Misspecified(ArrayDataModule):
        spec = DataSpec(shape, classes, ("a", "b"))

        def load_train(self):
            return Arrays(torch.zeros(4, 2), torch.zeros(4).long())

    with pytest.raises(
        DataError, match=r"^`Misspecified\.load_train`: `spec` must have a tuple, as \(1, 28, 28\), and"
    ):
        Misspecified(batch_size=2).setup("fit")


def test_data_that_say_not_what_to_train_on_are_one_line():
    with pytest.raises(ConfigError, match=r"^`ArrayDataModule` has no load_train, so there is nothing to train on"):
        ArrayDataModule(batch_size=2).setup("fit")


def test_an_error_in_a_spec_that_is_computed_stays_what_it_is():
    class Computed(ArrayDataModule):
        @property
        def spec(self):
            return self.missing

        def load_train(self):
            return Arrays(torch.zeros(4, 2), torch.zeros(4).long())

    with pytest.raises(AttributeError, match="missing"):
        Computed(batch_size=2).setup("fit")
