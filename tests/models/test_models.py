"""The contract of all models: shapes, fit to the data, evaluation; and the ConvNet's order of pooling and ReLU."""

import pytest
import torch
from torch import nn

from lightsweep.data import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models import (
    MLP,
    ConvNet,
    LinearRegression,
    LogisticRegression,
    SoftmaxRegression,
    TorchvisionNet,
    Wrapped,
)

IMAGES = DataSpec((1, 28, 28), 10, tuple("0123456789"))
TWO_DIGITS = DataSpec((1, 28, 28), 2, ("3", "8"))
TABLE = DataSpec((5,), 3, tuple("abc"))
NUMBERS = DataSpec((5,), None)


class Refusing(nn.Module):
    """A network that raises without a word."""

    def forward(self, inputs):
        raise ValueError


class Asserting(nn.Linear):
    """A network that asserts what its inputs are."""

    def forward(self, inputs):
        assert inputs.shape[1] == 2, "only pairs"
        return super().forward(inputs)


class Giving(nn.Linear):
    """A network that gives something made of its logits."""

    def __init__(self, made):
        super().__init__(5, 3)
        self.made = made

    def forward(self, inputs):
        return self.made(super().forward(inputs))


def without_memory(name):
    """A network of torchvision's that is large."""
    with torch.device("meta"):
        return TorchvisionNet(IMAGES, name)


@pytest.mark.parametrize(
    ("build", "spec"),
    [
        (LinearRegression, NUMBERS),
        (LogisticRegression, TWO_DIGITS),
        (SoftmaxRegression, IMAGES),
        (SoftmaxRegression, TABLE),
        (lambda spec: MLP(spec, [7]), NUMBERS),
        (lambda spec: MLP(spec, [], dropout=0.5), TABLE),
        (lambda spec: MLP(spec, [7, 6], batch_norm=True), IMAGES),
        (lambda spec: ConvNet(spec, [4, 6]), IMAGES),
        (lambda spec: ConvNet(spec, [4], batch_norm=True, dropout=0.5, kernel_size=5), DataSpec((3, 32, 30), None)),
        (lambda spec: ConvNet(spec, [3, [4, 5], [6]], batch_norm=True), IMAGES),
        (lambda spec: TorchvisionNet(spec, "shufflenet_v2_x0_5"), IMAGES),
        (lambda spec: TorchvisionNet(spec, "squeezenet1_1", {"dropout": 0.1}), DataSpec((3, 40, 40), None)),
        (lambda spec: TorchvisionNet(spec, "googlenet"), DataSpec((3, 32, 32), 4)),
        (lambda spec: TorchvisionNet(spec, "mobilenet_v3_small", {"width_mult": 0.25}), DataSpec((3, 32, 32), 4)),
        (lambda spec: Wrapped(spec, nn.Sequential(nn.Flatten(), nn.Linear(784, 10))), IMAGES),
    ],
)
def test_a_model_maps_a_batch_to_what_its_task_needs(build, spec):
    model = build(spec)
    inputs = torch.randn(6, *spec.input_shape)

    outputs = model(inputs)

    assert outputs.shape == (6, model.task.num_outputs(spec))
    assert model.training, "looking at the shapes must not leave the network in evaluation mode"


def test_the_articles_convnet_has_its_parameters():
    model = ConvNet(IMAGES, [32, 64])

    counts = [p.numel() for p in model.parameters()]
    assert counts == [32 * 9, 32, 64 * 32 * 9, 64, 10 * 64 * 7 * 7, 10]


def test_a_network_of_torchvisions_takes_the_settings_of_every_model():
    model = TorchvisionNet(IMAGES, "shufflenet_v2_x0_5", label_smoothing=0.1, channels_last=False)

    assert (model.task.label_smoothing, model.channels_last) == (0.1, False)


def test_a_list_of_filters_is_several_convolutions_before_one_pooling():
    model = ConvNet(IMAGES, [3, [4, 5]], batch_norm=True)

    kinds = [type(layer).__name__.rstrip("2d") for layer in model.net]
    block, pooled = ["Conv", "BatchNorm", "ReLU"], ["Conv", "MaxPool", "BatchNorm", "ReLU"]
    assert kinds == [*pooled, *block, *pooled, "Flatten", "Linear"]
    assert [layer.out_channels for layer in model.net if isinstance(layer, nn.Conv2d)] == [3, 4, 5]
    assert model.net[-1].in_features == 5 * 7 * 7


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: LinearRegression(IMAGES), r"^`model=linear_regression` needs a number as target, but `data` has .*10"),
        (lambda: LogisticRegression(IMAGES), r"^`model=logistic_regression` needs two classes"),
        (lambda: SoftmaxRegression(NUMBERS), r"^`model=softmax_regression` needs classes, but .* one number"),
        (lambda: ConvNet(TABLE, [4]), r"^`model=convnet` needs images \[C, H, W\], but .*\(5,\)"),
        (lambda: Wrapped(IMAGES, nn.Linear(3, 10)), r"^`model` Linear does not take inputs of shape \(1, 28, 28\)"),
        (
            lambda: Wrapped(TABLE, Asserting(5, 3)),
            r"^`model` Asserting does not take .*: only pairs \(test_models\.py, line \d+\)$",
        ),
        (
            lambda: Wrapped(TABLE, Refusing()),
            r"^`model` Refusing does not take .*: ValueError \(test_models\.py, line \d+\)$",
        ),
        (
            lambda: Wrapped(IMAGES, nn.Sequential(nn.Flatten(), nn.Linear(784, 3))),
            r"^`model` Sequential gives outputs of shape \(3,\), but `data` needs \(10,\)$",
        ),
        (
            lambda: Wrapped(TABLE, Giving(lambda outputs: (outputs, outputs))),
            r"^`model` Giving must give one tensor of floating-point numbers but gave a tuple$",
        ),
        (lambda: Wrapped(TABLE, Giving(lambda outputs: {"logits": outputs})), r"^`model` Giving .* but gave a dict$"),
        (lambda: Wrapped(TABLE, Giving(lambda outputs: None)), r"^`model` Giving .* but gave a NoneType$"),
        (lambda: Wrapped(TABLE, Giving(torch.Tensor.long)), r"^`model` Giving .* but gave one of torch\.int64$"),
        (
            lambda: Wrapped(TABLE, Giving(lambda outputs: outputs[:1])),
            r"^`model` Giving gives for 2 examples outputs of shape \(1, 3\), but \(2, 3\) is needed$",
        ),
        (
            lambda: Wrapped(TABLE, Giving(lambda outputs: outputs.sum())),
            r"^`model` Giving gives for 2 examples outputs of shape \(\), but \(2, 3\) is needed$",
        ),
        (
            lambda: Wrapped(TABLE, Giving(torch.Tensor.detach)),
            r"^`model` Giving gives an output without gradient: is there a `detach` or a `no_grad` in it\?$",
        ),
        (
            lambda: ConvNet(IMAGES, [2] * 5),
            r"^`model\.filters` has 5 poolings, and each halves the image, but 28 × 28 pixels",
        ),
        (
            lambda: TorchvisionNet(DataSpec((4, 40, 40), 3), "resnet18"),
            r"^`model=torchvision` needs images of 1 or 3 ch",
        ),
        (
            lambda: TorchvisionNet(TABLE, "resnet18"),
            r"^`model=torchvision` needs images of 1 or 3 channels, but .*\(5,\)",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "resnet81"),
            r"^`model\.name`: torchvision has no 'resnet81' .* mean 'resnet18'",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "fcn_resnet50"),
            r"^`model\.name`: torchvision has no 'fcn_resnet50' for class",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "alexnet"),
            r"^`model` alexnet does not take inputs of shape \(1, 28, 28\) .*; torchvision .*: data\.size=\[63,63\],",
        ),
        (
            lambda: without_memory("vit_b_16"),
            r"^`model` vit_b_16 .* 224 but got 28!; .*: data\.size=\[224,224\].* by \+model\.arg.*\.image_size$",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "resnet18", {"depth": 3}),
            r"^`model\.arguments`: torchvision's resnet18 cannot be built: .* keyword argument 'depth'",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "mobilenet_v3_small", {"width_mult": 0.5, "dropot": 0.1}),
            r"^`model\.arguments`: torchvision's mobilenet_v3_small takes no 'dropot'; did you mean 'dropout'\?$",
        ),
        (
            lambda: TorchvisionNet(IMAGES, "vit_b_16", {"image_size": 28}),
            r"^`model\.arguments`: torchvision's vit_b_16 cannot be built: Input shape indivisible by patch size!$",
        ),
        (lambda: ConvNet(IMAGES, [2], kernel_size=4), r"^`model\.kernel_size` must be odd but got 4$"),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_one_line(build, text):
    with pytest.raises(ConfigError, match=text) as caught:
        build()

    assert "\n" not in str(caught.value)


def test_gray_images_leave_the_weights_their_names():
    gray = TorchvisionNet(IMAGES, "squeezenet1_1").eval()
    colour = TorchvisionNet(DataSpec((3, 28, 28), 10), "squeezenet1_1").eval()
    images = torch.randn(2, 1, 28, 28)

    gray.net.load_state_dict(colour.net.state_dict())

    assert torch.equal(gray(images), colour(images.expand(-1, 3, -1, -1)))


class TrainedOnly(nn.Linear):
    """A network whose outputs have a gradient in training alone."""

    def forward(self, inputs):
        with torch.set_grad_enabled(self.training):
            return super().forward(inputs)


def test_outputs_may_be_without_gradient_in_evaluation_and_where_nobody_wants_one():
    Wrapped(TABLE, TrainedOnly(5, 3))
    Wrapped(TABLE, nn.Linear(5, 3).requires_grad_(False))  # refused with its optimizer
    with torch.inference_mode():
        assert Wrapped(TABLE, nn.Linear(5, 3))(torch.zeros(4, 5)).shape == (4, 3)


@pytest.mark.parametrize("size", [8, 7])
def test_pooling_before_relu_equals_relu_before_pooling(size):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 1, 3, 3, dtype=torch.float64, generator=generator)
    start = torch.randn(5, 1, size, size, dtype=torch.float64, generator=generator)
    upstream = torch.randn(5, 4, size // 2, size // 2, dtype=torch.float64, generator=generator)
    found = []
    for layers in ([nn.MaxPool2d(2), nn.ReLU()], [nn.ReLU(), nn.MaxPool2d(2)]):
        kernel, images = weight.clone().requires_grad_(), start.clone().requires_grad_()
        outputs = nn.Sequential(*layers)(nn.functional.conv2d(images, kernel, padding=1))
        outputs.backward(upstream)
        found.append((outputs.detach(), kernel.grad, images.grad))

    pool_first, relu_first = found
    for ours, articles in zip(pool_first, relu_first, strict=True):
        assert torch.equal(ours, articles)


def test_the_convnet_is_the_articles_relu_then_pool_network():
    model = ConvNet(IMAGES, [3, 4], channels_last=False).double()
    first, _, _, second, _, _, _, linear = model.net
    article = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), linear)
    inputs, targets = torch.randn(6, 1, 28, 28, dtype=torch.float64), torch.arange(6)
    gradients = []
    for net in (model, article):
        model.zero_grad()
        outputs = net(inputs)
        nn.functional.cross_entropy(outputs, targets).backward()
        gradients.append([outputs.detach(), *(p.grad.clone() for p in model.parameters())])

    for ours, articles in zip(*gradients, strict=True):
        assert torch.equal(ours, articles)


def test_channels_last_changes_the_memory_and_not_the_numbers():
    torch.manual_seed(0)
    plain = ConvNet(IMAGES, [3, 4], channels_last=False).double()
    torch.manual_seed(0)
    fast = ConvNet(IMAGES, [3, 4]).double()

    assert fast.net[3].weight.stride() != plain.net[3].weight.stride()
    inputs = torch.randn(6, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(fast(inputs), plain(inputs), rtol=1e-12, atol=1e-12)
