"""The two ways to batches agree, a chunk holds the batches it says, and no split leaks into another."""

import pytest
import torch
import torch.nn.functional as F

from lightsweep.data.spec import Arrays
from lightsweep.data.transform import Normalize, RandomAffine, RandomShift
from lightsweep.errors import ConfigError

SMALL = ("model=softmax_regression",)


def training_batches(datamodule, epoch=0):
    loader = datamodule.train_dataloader()
    loader.epoch = epoch
    return [batch for chunk in loader for batch in chunk.batches]


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "overrides",
    [
        ("data=mnist",),
        ("data=mnist", "data.shift=2"),
        ("data=mnist", "data.shift=2", "data.num_workers=2"),
        ("data=mnist", "data.rotate=10", "data.zoom=0.1"),
        ("data=mnist_binary", "model=logistic_regression", "data.val_size=20"),
        ("data=line", "model=linear_regression"),
    ],
    ids=" ".join,
)
def test_the_two_loader_paths_agree_batch_by_batch(initial, overrides):
    found = {}
    for loader in ("device", "workers"):
        datamodule, _ = initial(*SMALL[len(overrides) > 2 :], *overrides, f"data.loader={loader}")
        datamodule.eval_batch_size = 30
        torch.manual_seed(3)
        found[loader] = [training_batches(datamodule, epoch=1), list(datamodule.val_dataloader())]

    assert min(len(batches) for batches in found["device"]) > 0
    assert all(same(one, other) for one, other in zip(found["device"], found["workers"], strict=True))


def test_epochs_shuffle_anew_and_repeat_by_number(initial):
    datamodule, _ = initial(*SMALL)

    assert same(training_batches(datamodule, 1), training_batches(datamodule, 1))
    assert not same(training_batches(datamodule, 0), training_batches(datamodule, 1))


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
def test_chunks_say_how_many_batches_they_hold_and_where_they_start(initial, chunk):
    datamodule, _ = initial(*SMALL)
    datamodule.chunk = chunk
    loader = datamodule.train_dataloader()

    chunks = [(part.start, part.sizes, [len(targets) for _, targets in part.batches]) for part in loader]

    assert len(chunks) == len(loader) == -(-11 // chunk)
    assert [start for start, _, _ in chunks] == list(range(0, 11, chunk))
    assert all(sizes == lengths for _, sizes, lengths in chunks)
    assert sum(sum(sizes) for _, sizes, _ in chunks) == 550


def test_a_chunk_that_was_left_early_does_not_shift_the_next_epoch(initial):
    datamodule, _ = initial(*SMALL)
    datamodule.chunk = 4
    loader = datamodule.train_dataloader()
    next(next(iter(loader)).batches)

    assert same([batch for chunk in loader for batch in chunk.batches], training_batches(datamodule))


@pytest.mark.parametrize("skip", [0, 3, 4, 7, 11])
def test_a_resumed_epoch_goes_on_where_it_stopped(initial, skip):
    datamodule, _ = initial(*SMALL)
    datamodule.chunk = 4
    loader = datamodule.train_dataloader()
    loader.skip = skip

    rest = [batch for chunk in loader for batch in chunk.batches]

    assert same(rest, training_batches(datamodule)[skip:])
    loader.skip = 0
    assert len([batch for chunk in loader for batch in chunk.batches]) == 11


def test_validation_and_training_share_no_example_and_lose_none(initial):
    datamodule, _ = initial(*SMALL)
    whole = datamodule.load_train()

    rows = [row.numpy().tobytes() for split in ("train", "val") for row in datamodule.splits[split].inputs]

    assert {split: len(datamodule.splits[split]) for split in ("train", "val")} == {"train": 550, "val": 50}
    assert sorted(rows) == sorted(row.numpy().tobytes() for row in whole.inputs)


def test_the_split_depends_on_its_own_seed_alone(initial):
    one, other, third = (initial(*SMALL, extra)[0] for extra in ("seed=0", "seed=1", "data.split_seed=1"))

    assert torch.equal(one.splits["val"].inputs, other.splits["val"].inputs)
    assert not torch.equal(one.splits["val"].inputs, third.splits["val"].inputs)


def test_without_validation_all_examples_are_trained_on(initial):
    datamodule, _ = initial(*SMALL, "data.val_size=0")

    assert len(datamodule.splits["train"]) == 600
    assert datamodule.val_dataloader() == []


def test_fit_never_opens_the_test_set(run, monkeypatch):
    from lightsweep.data import MNIST

    monkeypatch.setattr(MNIST, "load_test", lambda self: pytest.fail("the test set was opened"))

    result = run(*SMALL, "test=false")

    assert result.status == "completed"
    assert not any(name.startswith("test/") for name in result.metrics)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("data.batch_size=551", r"^`data\.batch_size` must be at most the training split's 550 examples but got 551$"),
        ("data.val_size=600", r"^`data\.val_size` must be below the 600 training examples but got 600$"),
        ("data.val_size=601", r"^`data\.val_size` must be below the 600 training examples but got 601$"),
    ],
)
def test_sizes_that_the_data_cannot_give_are_refused(initial, override, text):
    with pytest.raises(ConfigError, match=text):
        initial(override)


def test_images_are_normalised_to_the_configured_mean_and_spread():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)

    found = Normalize(0.2, 0.5)(images)

    torch.testing.assert_close(found, torch.tensor([-0.4, 0.0, 1.6]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("examples", [0, 1, 777])
def test_images_of_any_number_are_normalised_alike(examples, dtype):
    """777 images are several of the pieces that are normalised one after the other, the last of them a short one."""
    images = torch.randint(0, 256, (examples, 1, 28, 28), dtype=torch.uint8).transpose(2, 3)

    found = Normalize(0.2, 0.5, dtype)(images)

    assert (found.shape, found.dtype) == (images.shape, dtype)
    assert torch.equal(found, images.to(dtype) * (1 / (255 * 0.5)) - 0.2 / 0.5)


@pytest.mark.parametrize(
    ("mean", "std"), [((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), (0.2, (0.5, 0.6, 0.7)), ((0.1, 0.2, 0.3), 0.5)]
)
@pytest.mark.parametrize("examples", [0, 1, 777])
def test_images_are_normalised_channel_by_channel(examples, mean, std):
    images = torch.randint(0, 256, (examples, 3, 20, 16), dtype=torch.uint8).transpose(2, 3)
    by_channel = [
        Normalize(torch.tensor(mean).expand(3)[i].item(), torch.tensor(std).expand(3)[i].item()) for i in range(3)
    ]

    for stored in (images, images / 255):
        found = Normalize(mean, std)(stored)

        assert (found.shape, found.dtype) == (images.shape, torch.float32)
        wanted = [each(stored[:, i : i + 1]) for i, each in enumerate(by_channel)]
        torch.testing.assert_close(found, torch.cat(wanted, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "overrides",
    [("data.mean=[0.1,0.2,0.3]",), ("data.std=[]",), ("data=line", "model=linear_regression", "data.mean=[0.1]")],
)
def test_numbers_for_other_channels_than_there_are_are_refused(initial, overrides):
    told = r"^`data\.(mean|std)` must be a number, or a list of one for each channel of an image, but got \(.*\) where"

    with pytest.raises(ConfigError, match=told):
        initial(*overrides)


def test_the_normalisation_of_doubles_keeps_their_precision():
    values = torch.tensor([[1.0 + 1e-12]], dtype=torch.float64)

    assert torch.equal(Normalize(0.0, 1.0, torch.float64)(values), values)
    assert torch.equal(Normalize(0.25, 0.5, torch.float64)(values), (values - 0.25) / 0.5)


def test_a_shift_moves_whole_images_and_fills_with_background():
    image = torch.zeros(400, 1, 5, 5)
    image[:, 0, 2, 2] = 1.0
    torch.manual_seed(0)

    moved = RandomShift(2)(image)

    assert moved.shape == image.shape
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(400))
    assert len(moved.flatten(1).argmax(1).unique()) == 25, "every place within reach is reached"


@pytest.mark.parametrize("move", [RandomShift(2), RandomAffine(30.0, 0.0)])
def test_moved_images_are_filled_up_with_each_channels_background(move):
    background = torch.tensor([-2.0, -1.0, 0.0])[:, None, None]

    torch.testing.assert_close(move(background.expand(50, 3, 8, 8)), background.expand(50, 3, 8, 8))


def test_a_shift_shows_a_window_of_the_padded_image_channels_last(monkeypatch):
    corners = torch.tensor([[0, 3, 6], [6, 1, 2]])
    monkeypatch.setattr(torch, "randint", lambda *given: corners)
    images = torch.randn(3, 2, 7, 11)
    padded = torch.cat([F.pad(one, (3, 3, 3, 3), value=float(one.min())) for one in images.split(1, dim=1)], 1)

    moved = RandomShift(3)(images)

    windows = [image[:, y : y + 7, x : x + 11] for image, y, x in zip(padded, *corners.tolist(), strict=True)]
    assert torch.equal(moved, torch.stack(windows))
    assert moved.is_contiguous(memory_format=torch.channels_last), "as a network with convolutions would have it"


@pytest.mark.parametrize("shape", [(400, 1, 9, 9), (400, 2, 9, 13)])
def test_a_quarter_turn_moves_every_pixel_to_its_place(shape, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, dtype: torch.tensor([[1.0], [0.5]], dtype=dtype).expand(size))
    images = torch.randn(shape, dtype=torch.float64)
    side = images[:, :, :, 2:-2] if shape[3] > shape[2] else images  # what lies outside of the square is turned out

    turned = RandomAffine(90.0, 0.0)(images)

    turned = turned[:, :, :, 2:-2] if shape[3] > shape[2] else turned
    torch.testing.assert_close(turned, side.rot90(1, (2, 3)), rtol=1e-9, atol=1e-9)


def test_images_turn_both_ways_and_stay_within_their_bounds():
    image = torch.full((2000, 1, 41, 41), -0.4, dtype=torch.float64)
    image[:, 0, 19:22, 36] = 2.8  # 16 pixels right of the centre

    moved = RandomAffine(10.0, 0.2)(image) + 0.4

    weights = moved / moved.sum((2, 3), keepdim=True)
    axis = torch.arange(-20, 21, dtype=torch.float64)
    right, down = (weights.sum(2) * axis).sum((1, 2)), (weights.sum(3) * axis).sum((1, 2))
    angle, distance = torch.rad2deg(torch.atan2(down, right)), torch.hypot(right, down)
    assert -10.5 < angle.min() < -9.5
    assert 9.5 < angle.max() < 10.5
    assert 0.8 * 16 - 0.5 < distance.min() < 0.8 * 16 + 0.5
    assert 1.2 * 16 - 0.5 < distance.max() < 1.2 * 16 + 0.5
    assert moved.min() >= -1e-12, "what comes in from outside is background"


@pytest.mark.parametrize("side", [28, 33])
def test_images_turn_by_the_grid_that_torch_makes(side, monkeypatch):
    seen = []
    monkeypatch.setattr(F, "grid_sample", lambda images, grid, **given: seen.append(grid) or images.clone())
    images = torch.randn(50, 1, side, 20, dtype=torch.float64)
    torch.manual_seed(0)
    angle, size = 2 * torch.rand(2, 50, dtype=torch.float64) - 1
    angle, size = torch.deg2rad(angle * 10.0), 1 + size * 0.2
    across, down = angle.sin() / size * (side / 20), angle.sin() / size * (20 / side)
    matrices = torch.stack([angle.cos() / size, -across, 0 * size, down, angle.cos() / size, 0 * size], 1)

    torch.manual_seed(0)
    RandomAffine(10.0, 0.2)(images)

    wanted = F.affine_grid(matrices.view(50, 2, 3), list(images.shape), align_corners=False)
    torch.testing.assert_close(seen[0], wanted, rtol=0, atol=1e-12)


def test_no_turn_and_no_zoom_leave_images_and_random_state_alone():
    images, state = torch.randn(3, 1, 5, 5), torch.get_rng_state()

    assert RandomAffine(0.0, 0.0)(images) is images
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shift", [28, 99999])
def test_images_that_could_be_moved_out_of_sight_are_refused(initial, shift):
    with pytest.raises(ConfigError, match=rf"^`data\.shift` must be below the images' 28 pixels but got {shift}$"):
        initial("data=mnist", f"data.shift={shift}")


@pytest.mark.parametrize("name", ["shift", "rotate", "zoom"])
def test_augmentation_needs_images(initial, name):
    value = "1" if name == "shift" else "0.5"

    with pytest.raises(ConfigError, match=rf"^`data\.{name}` moves images, but one example has shape \(1,\)$"):
        initial("model=linear_regression", "data=line", f"data.{name}={value}")


def test_arrays_take_rows():
    arrays = Arrays(torch.arange(6).reshape(3, 2), torch.tensor([5, 6, 7]))

    taken = arrays.take(torch.tensor([2, 0]))

    assert taken.inputs.tolist() == [[4, 5], [0, 1]]
    assert taken.targets.tolist() == [7, 5]


@pytest.mark.parametrize("change", [RandomShift(2), RandomAffine(10, 0.1)])
def test_a_process_without_a_part_of_a_batch_moves_no_image(change):
    nothing = torch.empty(0, 1, 28, 28)

    assert change(nothing).shape == nothing.shape
