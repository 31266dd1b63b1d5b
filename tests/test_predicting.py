"""`predict`: what a finished run tells of image files and of the rows of tables."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from lightsweep.cli import predicting
from lightsweep.cli.predicting import predict
from lightsweep.data.description import Description
from lightsweep.data.digit import digit
from lightsweep.errors import ConfigError, DataError
from lightsweep.models.tasks import class_probabilities
from lightsweep.paths import PredictionPaths, RunPaths
from lightsweep.reporting import contact_sheet
from lightsweep.reporting.tensorboard import pictures
from lightsweep.training.predicting import predict as predict_files
from lightsweep.training.trained import Trained, load_trained


@pytest.fixture
def command(command):
    """Runs a command; gives exit code, stdout and stderr."""

    def called(function, *words):
        ended = command(function, *words)
        return ended.code, ended.out, ended.err

    return called


def test_emnist_is_told_from_upright_pictures_though_its_own_lie_on_their_side(
    command, run, mnist_root, digits, tmp_path, monkeypatch
):
    drawn, mistake_grid = [], pictures.mistake_grid
    monkeypatch.setattr(
        pictures, "mistake_grid", lambda images, *rest: drawn.append(images) or mistake_grid(images, *rest)
    )
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, known in (("train", "train"), ("test", "t10k")):
        content = (mnist_root / "MNIST" / "raw" / f"{known}-images-idx3-ubyte").read_bytes()
        pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)
        turned = content[:16] + pixels.transpose(0, 2, 1).tobytes()
        (raw / f"emnist-digits-{part}-images-idx3-ubyte").write_bytes(turned)
        labels = (mnist_root / "MNIST" / "raw" / f"{known}-labels-idx1-ubyte").read_bytes()
        (raw / f"emnist-digits-{part}-labels-idx1-ubyte").write_bytes(labels)
    data = ("data=emnist", "data.split=digits", f"data.root={tmp_path}", "data.val_size=50", "data.batch_size=50")
    learning = ("model=mlp", "optimizer=adam", "trainer.max_epochs=8", "logger=tensorboard")
    run(*data, *learning, folder=tmp_path / "run")
    files = [tmp_path / f"{index}.png" for index in range(24)]
    for image, file in zip(digits[0], files, strict=False):
        Image.fromarray(image).save(file)

    code, out, _ = command(predict, f"run={tmp_path / 'run'}", *files)

    told = [line.rsplit("  ", 2)[1] for line in out.splitlines()[:-1]]
    assert code == 0
    assert sum(one.startswith(str(label)) for one, label in zip(told, digits[1], strict=False)) >= 18
    shown = next(predict_files(load_trained(tmp_path / "run"), files)).pixels[0]
    assert torch.equal(shown, digit(Image.fromarray(digits[0][0]))[0]), "a person sees it upright"
    upright = {image.tobytes() for image in digits[0]}
    assert upright.issuperset(image[0].contiguous().numpy().tobytes() for image in drawn[0]), "as of the mistakes"


def test_images_of_any_kind_are_told_and_bad_files_named(command, trained_run, digits, tmp_path):
    images, labels = digits
    files = []
    for index in range(24):
        image = Image.fromarray(images[index])
        if index % 3 == 1:
            image = ImageOps.invert(image.resize((150, 150)))
        if index % 3 == 2:
            image = ImageOps.expand(image.resize((90, 90)), (100, 30, 10, 60)).convert("RGBA")
        files.append(tmp_path / f"image={index}.png")
        image.save(files[-1])
    (tmp_path / "bad.png").write_bytes(b"no image")

    code, out, err = command(predict, f"run={trained_run}", *files, tmp_path / "bad.png", tmp_path / "gone.png")

    lines = [line.rsplit("  ", 2) for line in out.splitlines()[:-1]]
    assert [line[0] for line in lines] == [str(path) for path in files]
    right = sum(line[1].startswith(str(label)) for line, label in zip(lines, labels, strict=False))
    assert right >= 18, f"{right} of 24"
    assert all(0.1 <= float(line[2]) <= 1 for line in lines)
    assert code == 2
    assert len(err.splitlines()) == 2
    assert f"error: {tmp_path / 'bad.png'} is no image that can be read: " in err
    paths = PredictionPaths(RunPaths(trained_run).predictions)
    assert len(paths.table.read_text().splitlines()) == 25
    with Image.open(paths.sheet) as sheet:
        assert sheet.width > 8 * 128


def test_of_many_images_the_first_are_drawn_and_kept_and_a_bad_one_is_named_in_its_place(
    command, trained_run, digits, tmp_path, monkeypatch
):
    files = [tmp_path / f"{index}.png" for index in range(40)]
    for image, path in zip(digits[0], files, strict=False):
        Image.fromarray(image).save(path)
    files[20].write_bytes(b"no image")
    alone = [next(predict_files(load_trained(trained_run), [path])) for path in files]
    monkeypatch.setattr(contact_sheet, "MOST", 10)
    drawn = []
    monkeypatch.setattr(contact_sheet, "write_sheet", lambda path, found: drawn.extend(found))
    kept = []
    monkeypatch.setattr(predicting, "write_csv", lambda path, rows: kept.extend(list(rows)[1:]))

    code, out, err = command(predict, f"run={trained_run}", *files)

    assert (code, err.count("\n")) == (2, 1)
    assert [each.path for each in drawn] == files[:10]
    assert out.endswith("; sheet.png shows the first 10 of 39 images\n")
    del alone[20]
    assert [(path, label) for path, label, _ in kept] == [(each.path, each.label) for each in alone]
    assert [float(chance) for _, _, chance in kept] == pytest.approx([each.probability for each in alone], abs=1e-5)
    told = list(predict_files(load_trained(trained_run), files))
    assert [path for path, each in zip(files, told, strict=True) if isinstance(each, DataError)] == [files[20]]


def test_rows_are_written_as_they_are_told(command, run, table, tmp_path, monkeypatch):
    data = ("data=csv", f"data.path={table}", "data.target=kind", "data.task=classification", "data.batch_size=10")
    run(*data, "model=softmax_regression", "data.val_size=10", "test=false", folder=tmp_path)
    monkeypatch.setattr("lightsweep.training.predicting._ROWS", 2)
    told, of_each = [], Trained.outputs
    monkeypatch.setattr(Trained, "outputs", lambda trained, rows: told.append(len(rows)) or of_each(trained, rows))
    when_written = []
    monkeypatch.setattr(predicting, "write_csv", lambda path, rows: when_written.extend(sum(told) for _ in rows))

    code, *_ = command(predict, f"run={tmp_path}", table)

    assert code == 0
    assert when_written[:6] == [2, 2, 2, 4, 4, 6], "after the header"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_rows_of_a_csv_are_told_as_the_network_says(command, run, table, tmp_path, task):
    target, model = {"classification": ("kind", "mlp"), "regression": ("y", "linear_regression")}[task]
    text = table.read_text()
    if task == "regression":
        text = text.replace("yes", "1").replace("no", "0")
    table.write_text(text)
    data = ("data=csv", f"data.path={table}", f"data.target={target}", f"data.task={task}", "data.batch_size=10")
    run(*data, f"model={model}", "data.val_size=10", "test=false", folder=tmp_path / "run")
    header, *lines = [line.split(",") for line in table.read_text().splitlines()]
    wanted = [name for name in reversed(header) if name != target]
    rows = [[line[header.index(name)] for name in wanted] for line in lines]
    new = tmp_path / "n=w.csv"
    new.write_text("\n".join(",".join(cells) for cells in [wanted, *rows]))
    trained = load_trained(tmp_path / "run")
    inputs = torch.tensor([[float(line[header.index(name)]) for name in trained.data.columns] for line in lines])
    means, stds = (torch.tensor(values) for values in (trained.data.column_means, trained.data.column_stds))
    with torch.no_grad():
        outputs = trained.net((inputs - means) / stds)
    bad = tmp_path / "bad.csv"
    bad.write_text(",".join(wanted[1:]) + "\n" + ",".join(rows[0][1:]))

    code, out, err = command(predict, f"run={tmp_path / 'run'}", new, bad)

    assert (code, err.count("\n")) == (2, 1)
    assert f"error: {bad} has no column '{wanted[0]}', an input of the run; it has " in err
    folder = RunPaths(tmp_path / "run").predictions
    assert [path.name for path in folder.iterdir()] == ["predictions.csv"], "no sheet without images"
    found = list(csv.DictReader(PredictionPaths(folder).table.read_text().splitlines()))
    assert [(each["file"], each["row"]) for each in found] == [(str(new), str(2 + index)) for index in range(len(rows))]
    if task == "classification":
        probability, index = outputs.softmax(1).max(1)
        assert list(found[0]) == ["file", "row", "label", "probability"]
        assert [each["label"] for each in found] == [("no", "yes")[one] for one in index]
        assert [float(each["probability"]) for each in found] == pytest.approx(probability.tolist(), abs=1e-5)
        assert out.startswith(f"{new}:2  {found[0]['label']}  {probability[0]:.4f}\n")
    else:
        assert list(found[0]) == ["file", "row", "value"]
        assert [float(each["value"]) for each in found] == pytest.approx(outputs[:, 0].tolist(), rel=1e-4)
        assert out.startswith(f"{new}:2  {found[0]['value']}\n")


def test_a_regression_on_images_tells_its_numbers(trained_run, digits, tmp_path):
    file = tmp_path / "0.png"
    Image.fromarray(digits[0][0]).save(file)
    trained = load_trained(trained_run)
    numbers = trained.outputs(digit(Image.open(file))[None])[0]

    (found,) = predict_files(replace(trained, data=replace(trained.data, num_classes=None, class_names=())), [file])

    assert [float(number) for number in found.label.split()] == pytest.approx(numbers.tolist(), rel=1e-6)
    assert (found.row, found.probability) == (None, None)
    contact_sheet.write_sheet(tmp_path / "sheet.png", [found])
    assert (tmp_path / "sheet.png").is_file()


def test_files_of_which_none_is_there_are_told_before_anything_is_loaded(command, trained_run, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "load_run", lambda *_: pytest.fail("the network is loaded"))
    (tmp_path / "images").mkdir()

    code, out, err = command(predict, f"run={trained_run}", "gone.png", "images")

    assert (code, out) == (2, "")
    assert err == (
        "error: gone.png is not there: give the path of a file\n"
        "error: images is a folder: name the files in it, such as images/*\n"
    )


def test_a_run_folder_that_cannot_be_written_is_answered_by_how_to_name_another_place(command, trained_run, digits):
    image = trained_run.parent / "0.png"
    Image.fromarray(digits[0][0]).save(image)
    RunPaths(trained_run).predictions.symlink_to("nowhere")

    code, _, err = command(predict, f"run={trained_run}", str(image))

    assert code == 2
    assert err.endswith("is a link to what is not there; mend it, or remove it; name another place: out=<folder>\n")


def test_predicting_needs_no_data_and_equals_the_networks_own_answer(trained_run, digits):
    trained = load_trained(trained_run)
    state = torch.load(RunPaths(trained_run).best, weights_only=True)["state_dict"]
    stored = torch.from_numpy(digits[0][:50, None].copy())

    found = class_probabilities(trained.outputs(stored))

    assert torch.allclose(found.sum(1), torch.ones(50))
    assert torch.equal(trained.model.state_dict()["net.0.weight"], state["net.0.weight"])
    assert (found.argmax(1) == torch.tensor(digits[1][:50])).float().mean() > 0.6


def test_one_logit_and_averaged_weights_are_heeded(run, tmp_path):
    overrides = ("data=mnist_binary", "data.digits=[3,8]", "data.val_size=20", "model=logistic_regression")
    run(*overrides, "trainer.ema_decay=0.5", "test=false", folder=tmp_path / "binary")

    trained = load_trained(tmp_path / "binary")
    found = class_probabilities(trained.outputs(torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)))

    assert found.shape == (5, 2)
    assert torch.allclose(found.sum(1), torch.ones(5))
    state = torch.load(RunPaths(tmp_path / "binary").best, weights_only=True)["state_dict"]
    assert torch.equal(trained.net[1].weight, state["ema.module.1.weight"])


def test_a_run_on_numbers_tells_no_images(run, tmp_path):
    run("data=line", "model=linear_regression", "test=false", folder=tmp_path / "line")

    with pytest.raises(
        ConfigError, match=r"^the run's inputs are neither images nor the rows of a CSV file: one has shape \(1,\)$"
    ):
        load_trained(tmp_path / "line").data.framing()


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (None, r"^the run's data do not say how an image becomes an input of shape \(3, 16, 16\): .* `picture = "),
        ("crp", r"^`picture` of the run's data must be one of digit, crop, pad, stretch but is 'crp'$"),
    ],
)
def test_images_of_ones_own_want_to_be_told_how_a_file_becomes_one(picture, text):
    data = Description((3, 16, 16), 2, ("cat", "dog"), 0.0, 1.0, picture)

    with pytest.raises(ConfigError, match=text):
        data.framing()

    assert replace(data, picture="crop").framing()(Image.new("L", (40, 20))).shape == (3, 16, 16)
