"""Images in class folders: what becomes of any file, which one is damaged, and that both loaders give the same."""

import json
import shutil

import pytest
import torch
from PIL import Image

from lightsweep.data import Images
from lightsweep.data.transform import Transforms
from lightsweep.errors import ConfigError, DataError
from lightsweep.training.build import build_data
from lightsweep.training.exporting import metadata
from lightsweep.training.trained import load_trained


@pytest.fixture
def root(tmp_path):
    """30 dark and 12 bright images of several sizes and modes."""
    for index in range(42):
        kind, level = ("dark", 20) if index < 30 else ("bright", 220)
        folder = tmp_path / "pictures" / kind / f"part {index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.new(("RGB", "L", "RGBA")[index % 3], (10 + index % 7, 8 + index % 5))
        image.paste(tuple([level + index % 10] * 3 + [255])[: len(image.getbands())], (0, 0, *image.size))
        image.save(folder / f"{index} é.{('png', 'bmp', 'tiff')[index % 3]}")
    return tmp_path / "pictures"


def made(root, **options):
    return Images(**{"root": str(root), "size": (8, 8), "batch_size": 4, "stratified": True} | options)


def test_folders_are_classes_and_any_image_fits(root):
    data = made(root, val_size=7, test_size=14)
    data.setup("fit")
    data.setup("test")

    assert data.spec.input_shape == (3, 8, 8)
    assert data.spec.class_names == ("bright", "dark")
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [21, 7, 14]
    assert torch.bincount(data.splits["test"].targets).tolist() == [4, 10], "each class by its share"
    for split in data.splits.values():
        inputs, targets = split.inputs, split.targets
        assert inputs.dtype == torch.uint8
        assert torch.equal(inputs.float().mean((1, 2, 3)) > 128, targets == 0)


def test_both_loaders_give_the_same_batches(root):
    batches = []
    for loader, workers in (("device", 0), ("workers", 0), ("workers", 2), ("auto", 0)):
        data = made(root, loader=loader, num_workers=workers, val_size=7)
        data.setup("fit")
        chunks = [batch for chunk in data.train_dataloader() for batch in chunk.batches]
        batches.append([*chunks, *data.val_dataloader()])

    for other in batches[1:]:
        for (inputs, targets), (its, theirs) in zip(batches[0], other, strict=True):
            torch.testing.assert_close(inputs, its)
            assert torch.equal(targets, theirs)


def test_a_split_that_does_not_fit_is_streamed(root, monkeypatch):
    from lightsweep.data import datamodule
    from lightsweep.data.files import ImageFiles

    monkeypatch.setattr(datamodule, "room", lambda device: 100)
    data = made(root, loader="auto", val_size=7)
    data.setup("fit")

    assert isinstance(data.splits["train"], ImageFiles)
    assert sum(len(targets) for chunk in data.train_dataloader() for _, targets in chunk.batches) == 35


def test_train_and_test_folders_are_the_split(root, tmp_path):
    (tmp_path / "divided").mkdir()
    root.rename(tmp_path / "divided" / "train")
    for kind in ("dark", "bright"):
        folder = tmp_path / "divided" / "test" / kind
        folder.mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "a.png")

    data = made(tmp_path / "divided")

    assert (len(data.load_train()), len(data.load_test())) == (42, 2)
    with pytest.raises(ConfigError, match=r"^`data\.test_size` must be 0 where .* has a test folder but got 3$"):
        made(tmp_path / "divided", test_size=3)
    (tmp_path / "divided" / "test" / "third").mkdir()
    with pytest.raises(DataError, match=r"the class folders of test are not those of train$"):
        made(tmp_path / "divided")


@pytest.mark.parametrize("loader", ["device", "workers"])
def test_a_damaged_file_is_named(root, loader):
    whole = next((root / "dark").rglob("*.png"))
    whole.write_bytes(whole.read_bytes()[:40])
    data = made(root, loader=loader, num_workers=2)

    def read_all():
        data.setup("fit")
        return [batch for chunk in data.train_dataloader() for batch in chunk.batches]

    with pytest.raises(DataError) as caught:
        read_all()

    assert str(caught.value).startswith(f"{whole} is no image that can be read: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda root: root / "nowhere",
            r"^`data\.root` must be a folder with a folder for each class, but there is no",
        ),
        (lambda root: root / "dark" / "part 0", r"must hold a folder for each of two or more classes but holds none$"),
    ],
)
def test_a_folder_without_classes_is_refused(root, make, text):
    with pytest.raises(DataError, match=text):
        made(make(root))


def test_an_empty_class_is_refused(root):
    (root / "empty").mkdir()
    (root / "empty" / "notes.txt").write_text("none")

    with pytest.raises(DataError, match=r"empty holds no image"):
        made(root)


def test_links_are_followed_and_hidden_folders_are_not(root, tmp_path):
    shutil.copytree(root / "bright" / "part 0", tmp_path / "elsewhere")
    shutil.copytree(root / "dark" / "part 0", root / "dark" / ".checkpoints")
    (root / "dark" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(root / "dark")

    assert torch.bincount(made(root).load_train().targets).tolist() == [12, 36]


def test_a_link_to_nothing_is_named(root):
    (root / "dark" / "gone.png").symlink_to(root / "nowhere.png")

    with pytest.raises(DataError, match=r"gone\.png links to a file that is not there: mend the link, or remove it$"):
        made(root).setup("fit")


def test_images_are_tested_where_some_are_kept_or_have_a_folder(root, tmp_path):
    divided = tmp_path / "divided"
    shutil.copytree(root, divided / "train")

    assert [made(root).tests, made(root, test_size=14).tests, made(divided).tests] == [False, True, False]
    with pytest.raises(ConfigError, match=r"^`data\.test_size` is 0, so there is no test set: set it, or test=false$"):
        made(divided).load_test()

    shutil.copytree(root, divided / "test")
    assert made(divided).tests


def test_a_val_folder_is_said_to_be_unread(root, tmp_path, capsys):
    divided = tmp_path / "divided"
    shutil.copytree(root, divided / "train")
    made(divided)
    assert not capsys.readouterr().err

    shutil.copytree(root, divided / "val")
    assert len(made(divided).load_train()) == 42
    assert capsys.readouterr().err == f"note: {divided}/val is not read but by data.val_size=own\n"


def test_a_val_folder_is_validated_on_where_that_is_asked_for(root, tmp_path, capsys):
    divided = tmp_path / "divided"
    shutil.copytree(root, divided / "train")
    with pytest.raises(ConfigError, match=rf"^`data\.val_size=own` needs a folder {divided}/val, which is not there$"):
        made(divided, val_size="own").setup("fit")

    shutil.copytree(root / "dark", divided / "val" / "dark")
    with pytest.raises(DataError, match="must hold a folder for each of two or more classes"):
        made(divided, val_size="own").setup("fit")

    shutil.copytree(root / "bright" / "part 1", divided / "val" / "bright")
    data = made(divided, val_size="own")
    data.setup("fit")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 42, "val": 36}
    assert data.validates
    assert not capsys.readouterr().err


def test_each_channels_own_scale_is_used_wherever_a_run_is(root, run, tmp_path):
    images = ("data=images", f"data.root={root}", "data.size=[8,8]", "data.test_size=9", "data.val_size=0")
    scales = ("data.mean=[0.1,0.2,0.3]", "data.std=[0.5,0.6,0.7]")
    run(*images, *scales, "model=mlp", "data.batch_size=4", folder=tmp_path / "run")

    trained = load_trained(tmp_path / "run")
    data = build_data(trained.cfg)
    data.setup("test")

    ((inputs, _),) = data.test_dataloader()
    assert torch.equal(trained.data.normalize()(data.splits["test"].inputs), inputs)
    assert [json.loads(metadata(trained)[key]) for key in ("mean", "std")] == [[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]]


@pytest.mark.parametrize("key", ["size", "channels"])
def test_files_have_no_size_of_their_own(root, key):
    with pytest.raises(ConfigError, match=rf"^`data\.{key}` must be given for image files, .* but got null$"):
        made(root, **{key: None})


def test_a_test_size_of_everything_is_refused(root):
    with pytest.raises(ConfigError, match=r"^`data\.test_size` must be below the 42 images in .* but got 42$"):
        made(root, test_size=42)


def test_a_run_on_images_with_transforms_is_repeatable(root, run):
    overrides = (
        "data=images",
        f"data.root={root}",
        "data.size=[8,8]",
        "data.batch_size=8",
        "data.val_size=7",
        "data.test_size=7",
        "model=softmax_regression",
        "data.transforms=[{_target_: torchvision.transforms.v2.RandomHorizontalFlip},"
        "{_target_: torchvision.transforms.v2.ColorJitter, brightness: 0.2}]",
    )

    first, second = run(*overrides), run(*overrides)

    assert first.status == "completed"
    assert first.metrics == second.metrics
    plain = run(*overrides[:-1])
    assert plain.metrics["train/loss"] != first.metrics["train/loss"], "the transforms did something"


@pytest.mark.parametrize(
    ("transforms", "text"),
    [
        (
            "[{_target_: torchvision.transforms.v2.CenterCrop, size: 4}]",
            r"^`data\.transforms` must keep an image's shape",
        ),
        (
            "[{_target_: torchvision.transforms.v2.ToPILImage}]",
            r"^`data\.transforms` must keep an image's shape and type, .*, but made it Image$",
        ),
        (
            "[{_target_: torchvision.transforms.v2.RandomCrop, size: 99}]",
            r"^`data\.transforms`: RandomCrop cannot be applied to images of shape \(3, .*\): Required crop",
        ),
        (
            "[{size: 4}]",
            r"^`data\.transforms` must be transforms, each by its `_target_`, but got \{'size': 4\}$",
        ),
        (
            "[{_target_: torchvision.transforms.v2.NoSuch}]",
            r"^`_target_: torchvision\.transforms\.v2\.NoSuch` was not fo",
        ),
        ("[{_target_: os.system}]", r"^`_target_: os\.system` is not allowed"),
    ],
)
def test_transforms_that_cannot_be_are_refused(root, run, transforms, text):
    with pytest.raises(ConfigError, match=text):
        run("data=images", f"data.root={root}", "data.batch_size=8", f"data.transforms={transforms}", "test=false")


def test_a_transform_that_changes_the_shape_of_some_images_only_is_refused():
    images = torch.arange(3, dtype=torch.uint8).repeat_interleave(16).view(3, 1, 4, 4)
    cut = Transforms((lambda image: image[:, :2] if image.max() == 1 else image,))

    with pytest.raises(ConfigError, match=r"\(1, 4, 4\) torch\.uint8, but made it \(1, 2, 4\) torch\.uint8$"):
        cut(images)
