"""The article's losses and gradients, in float64, against closed forms derived by hand."""

import pytest
import torch

from lightsweep.data import DataSpec
from lightsweep.models import LinearRegression, LogisticRegression, SoftmaxRegression
from lightsweep.models.tasks import Binary, Multiclass, Regression, kind_of_loss

N, D, K = 17, 5, 4
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def inputs():
    return torch.randn(N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loss_and_gradients(model, inputs, targets):
    """The loss, and its gradients by weight and bias, as autograd finds them."""
    loss = model.task.loss(model(inputs), targets)
    loss.backward()
    return loss.detach(), model.net[1].weight.grad, model.net[1].bias.grad


def scores(model, inputs):
    return inputs @ model.net[1].weight.detach().T + model.net[1].bias.detach()


def test_linear_regression_is_half_the_mean_squared_error(inputs):
    model = LinearRegression(DataSpec((D,), None)).double()
    targets = torch.randn(N, 1, dtype=torch.float64)

    loss, weight, bias = loss_and_gradients(model, inputs, targets)

    error = scores(model, inputs) - targets
    torch.testing.assert_close(loss, (error**2).sum() / (2 * N), **CLOSE)
    torch.testing.assert_close(weight, error.T @ inputs / N, **CLOSE)
    torch.testing.assert_close(bias, error.mean(0), **CLOSE)


@pytest.mark.parametrize("given", [None, (0.5, 3.0)])
def test_logistic_regression_is_binary_cross_entropy_that_class_weights_multiply(inputs, given):
    model = LogisticRegression(DataSpec((D,), 2, ("no", "yes"), given)).double()
    targets = torch.arange(N) % 2

    loss, weight, bias = loss_and_gradients(model, inputs, targets)

    probability = 1 / (1 + torch.exp(-scores(model, inputs)))
    wanted, weights = targets[:, None].double(), torch.tensor(given or (1.0, 1.0), dtype=torch.float64)[targets, None]
    by_hand = -(weights * (wanted * probability.log() + (1 - wanted) * (1 - probability).log())).mean()
    torch.testing.assert_close(loss, by_hand, **CLOSE)
    torch.testing.assert_close(weight, (weights * (probability - wanted)).T @ inputs / N, **CLOSE)
    torch.testing.assert_close(bias, (weights * (probability - wanted)).mean(0), **CLOSE)


@pytest.mark.parametrize(
    ("given", "smoothing"), [(None, 0.0), ((0.5, 3.0, 1.0, 0.0), 0.0), ((0.5, 3.0, 1.0, 0.0), 0.1)]
)
def test_softmax_regression_is_cross_entropy_that_class_weights_multiply(inputs, given, smoothing):
    model = SoftmaxRegression(DataSpec((D,), K, tuple("abcd"), given), smoothing).double()
    targets = torch.arange(N) % K

    loss, weight, bias = loss_and_gradients(model, inputs, targets)

    exponentials = torch.exp(scores(model, inputs))
    probability = exponentials / exponentials.sum(1, keepdim=True)
    wanted = torch.eye(K, dtype=torch.float64)[targets] * (1 - smoothing) + smoothing / K
    weights = torch.tensor(given or [1.0] * K, dtype=torch.float64)[targets, None]
    torch.testing.assert_close(loss, -(weights * wanted * probability.log()).sum() / N, **CLOSE)
    torch.testing.assert_close(weight, (weights * (probability - wanted)).T @ inputs / N, **CLOSE)
    torch.testing.assert_close(bias, (weights * (probability - wanted)).mean(0), **CLOSE)


def test_softmax_over_two_classes_is_logistic_regression_on_the_difference():
    targets = torch.arange(N) % 2
    logits = torch.randn(N, 2, dtype=torch.float64)

    by_softmax = Multiclass().loss(logits, targets)
    by_sigmoid = Binary().loss(logits[:, 1:] - logits[:, :1], targets)

    torch.testing.assert_close(by_softmax, by_sigmoid, **CLOSE)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_spreads_the_targets_mass(smoothing):
    logits = torch.randn(N, K, dtype=torch.float64)
    targets = torch.arange(N) % K

    wanted = torch.eye(K, dtype=torch.float64)[targets] * (1 - smoothing) + smoothing / K
    by_hand = -(wanted * logits.log_softmax(1)).sum() / N
    torch.testing.assert_close(Multiclass(smoothing).loss(logits, targets), by_hand, **CLOSE)

    probability = logits[:, 0].sigmoid()
    half = (targets % 2).double() * (1 - smoothing) + smoothing / 2
    by_hand = -(half * probability.log() + (1 - half) * (1 - probability).log()).mean()
    torch.testing.assert_close(Binary(smoothing).loss(logits[:, :1], targets % 2), by_hand, **CLOSE)


class Huber(Regression):
    """A loss of one's own, with what a task may hold besides settings."""

    def __init__(self, delta):
        vars(self).update(delta=delta, sums=torch.ones(2), parts=[torch.ones(1)], _seen=3)

    def loss(self, outputs, targets):
        return torch.nn.functional.huber_loss(outputs, targets, delta=self.delta)


class TopTwo(Multiclass):
    """The usual loss, another count."""

    def correct(self, outputs, targets):
        return (outputs.topk(2).indices == targets[:, None]).sum()


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (Multiclass(0), "cross entropy"),
        (Binary(0.1, (1.0, 2.5)), "cross entropy label_smoothing=0.1 class_weights=[1, 2.5]"),
        (TopTwo(0.1), "cross entropy label_smoothing=0.1"),
        (Huber(0.5), f"{__name__}.Huber delta=0.5"),
    ],
)
def test_a_loss_is_told_from_others_by_what_changes_it(task, kind):
    assert kind_of_loss(task) == kind


def test_large_scores_give_finite_losses():
    far = torch.tensor([[1000.0], [-1000.0]])

    assert Binary().loss(far, torch.tensor([0, 1])) == 1000
    assert Multiclass().loss(torch.cat([far, -far], 1), torch.tensor([1, 0])) == 2000


def test_right_predictions_are_counted():
    assert Binary().correct(torch.tensor([[2.0], [-1.0], [0.0]]), torch.tensor([1, 1, 0])) == 2
    assert Multiclass().correct(torch.tensor([[1.0, 3.0], [4.0, 0.0]]), torch.tensor([1, 1])) == 1
    assert Regression().correct(torch.zeros(2, 1), torch.zeros(2, 1)) == 0
    assert not Regression.counts
