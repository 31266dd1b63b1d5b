"""Images in class folders: what becomes of any file, which one is damaged, and that both loaders give the same."""

import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from lightsweep.data import Images
from lightsweep.data.picture import Framing, open_image
from lightsweep.data.transform import Transforms
from lightsweep.errors import ConfigError, DataError


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


def test_what_cannot_be_opened_is_named_with_what_to_do(tmp_path, monkeypatch):
    def told(path):
        with pytest.raises(DataError) as caught:
            open_image(path)
        return str(caught.value)

    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()

    assert told(Path("gone.png")) == "gone.png is not there: give the path of a file"
    assert told(tmp_path) == f"{tmp_path} is a folder: name the files in it, such as {tmp_path}/*"
    assert told(tmp_path / "text.png").endswith("it is of no format that Pillow knows; save it as PNG or JPEG")
    assert told(tmp_path / "empty.png").endswith("empty.png is no image that can be read: it is empty")
    monkeypatch.setattr(Image, "open", Mock(side_effect=PermissionError(13, "Permission denied")))
    assert told(Path("mine.png")) == "mine.png cannot be read: Permission denied"


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"GIF89a\xff\xff\xff\xff\0\0\0", b"P5 99999 99999 255\n"],
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"^{path} is no image that can be read: [^\n]+$"):
        open_image(path)


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


@pytest.mark.parametrize("key", ["size", "channels"])
def test_files_have_no_size_of_their_own(root, key):
    with pytest.raises(ConfigError, match=rf"^`data\.{key}` must be given for image files, .* but got null$"):
        made(root, **{key: None})


def test_a_test_size_of_everything_is_refused(root):
    with pytest.raises(ConfigError, match=r"^`data\.test_size` must be below the 42 images in .* but got 42$"):
        made(root, test_size=42)


def test_framing_crops_pads_and_stretches():
    image = Image.new("L", (40, 20), 200)
    image.paste(0, (0, 0, 10, 20))

    cropped, padded, stretched = (Framing(20, 20, 1, fit)(image) for fit in ("crop", "pad", "stretch"))

    assert cropped.shape == padded.shape == stretched.shape == (1, 20, 20)
    assert (cropped == 200).all(), "the dark edge is cut off"
    assert not padded[0, :5].any(), "above is black"
    assert not padded[0, -5:].any(), "and below"
    assert stretched[0, 10, 2] < 50 < 150 < stretched[0, 10, 8]


def test_exif_and_sixteen_bits_and_transparency_are_heeded(tmp_path):
    turned = Image.new("L", (4, 2))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    Image.new("I;16", (2, 2), 65535).save(tmp_path / "deep.png")
    Image.new("RGBA", (2, 2), (255, 255, 255, 0)).save(tmp_path / "clear.png")

    assert open_image(tmp_path / "turned.jpg").size == (2, 4)
    assert Framing(2, 2, 1)(open_image(tmp_path / "deep.png")).eq(255).all()
    assert Framing(2, 2, 1)(open_image(tmp_path / "clear.png")).eq(0).all()


def levels(path, channels=1):
    return Framing(2, 3, channels)(open_image(path))[0].unique().tolist()


def test_white_is_what_the_format_says_not_the_brightest_pixel(tmp_path):
    for top in (200, 300, 65535):
        Image.fromarray(np.array([[0, 0, 0], [0, 0, top]], np.uint16)).save(tmp_path / "deep.png")
        assert levels(tmp_path / "deep.png") == sorted({0, round(255 * top / 65535)})
    for top, white in ((200, 255), (300, 65535)):
        Image.fromarray(np.array([[0, 0, 0], [0, 0, top]], np.int32)).save(tmp_path / "whole.tif")
        assert levels(tmp_path / "whole.tif") == sorted({0, round(255 * top / white)})
    (tmp_path / "deep.pgm").write_bytes(b"P5 3 2 65535\n" + b"\0\0" * 5 + b"\0\xff")
    assert levels(tmp_path / "deep.pgm") == [0, 1]
    Image.fromarray(np.array([[0, 0, 0], [0, 0.2, 1]], np.float32)).save(tmp_path / "share.tif")
    assert levels(tmp_path / "share.tif", channels=3) == [0, 51, 255]


def test_sixteen_bits_with_a_transparent_level_are_not_clipped(tmp_path):
    image = Image.fromarray(np.array([[0, 300, 32768], [32768, 65535, 65535]], np.uint16))
    image.save(tmp_path / "deep.png", transparency=65535)

    assert levels(tmp_path / "deep.png") == [0, 1, 128]


@pytest.mark.parametrize(
    ("pixels", "range_"),
    [
        (np.array([[0.5, 65535]], np.float32), r"0\.\.1 but has 0\.5\.\.65535"),
        (np.array([[0.5, np.nan]], np.float32), r"0\.\.1 but has nan\.\.nan"),
        (np.array([[0, 2**30]], np.int32), r"0\.\.65535 but has 0\.\."),
        (np.array([[-5, 7]], np.int32), r"0\.\.255 but has -5\.\.7"),
    ],
)
def test_levels_of_which_none_says_what_is_white_are_refused(tmp_path, pixels, range_):
    path = tmp_path / "odd.tif"
    Image.fromarray(pixels).save(path)

    with pytest.raises(DataError, match=rf"^{path} must have pixels in {range_}"):
        open_image(path)


def test_lab_colours_are_refused_by_name(tmp_path):
    path = tmp_path / "lab.tif"
    Image.new("LAB", (3, 2)).save(path)

    with pytest.raises(DataError, match=rf"^{path} is in LAB colours, which cannot be converted: save it as RGB$"):
        open_image(path)


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
