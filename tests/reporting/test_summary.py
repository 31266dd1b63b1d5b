"""The table at the end of a run."""

from lightsweep.reporting.summary import print_metrics, print_summary
from lightsweep.training import Result


def test_the_summary_names_losses_accuracies_speed_and_place(capsys):
    metrics = {
        "train/loss": 0.5,
        "train/acc": 0.9,
        "val/loss": 0.25,
        "val/acc": 0.95,
        "test/loss": 0.3,
        "test/acc": 0.9406,
    }
    parts = {"startup": 4.0, "arithmetic": 8.0, "framework": 0.345}
    result = Result("completed", 0, metrics, "val/acc", 0.95, 3, 1650, 12.345, 54321.0, "cpu (x)", "32-true", 9, parts)
    result.folder = "outputs/mine"

    print_summary(result)

    shown = capsys.readouterr().out
    for words in ("train (last epoch)", "0.5000", "val (best val/acc)", "test (best checkpoint)", "94.06 %"):
        assert words in shown
    for words in ("3 epochs, 1,650 steps in 12.3 s", "54,321 samples/s", "cpu (x), 32-true", "files in outputs/mine"):
        assert words in shown


def test_one_epoch_of_one_step_is_no_plural(capsys):
    print_summary(Result("completed", 0, epochs=1, steps=1, seconds=1.0, seconds_by_part={"arithmetic": 1.0}))

    assert "1 epoch, 1 step in 1.0 s" in capsys.readouterr().out


def test_brackets_in_a_folders_name_are_no_markup(capsys):
    print_summary(Result("completed", 0, seconds=1.0, seconds_by_part={"arithmetic": 1.0}, folder="a[red]/b[/x]"))

    assert "files in a[red]/b[/x]\n" in capsys.readouterr().out


def test_where_no_checkpoint_was_picked_none_is_called_the_best(capsys):
    metrics = {"train/loss": 0.5, "val/loss": 0.25, "test/loss": 0.3}

    print_summary(Result("completed", 0, metrics, "val/acc", seconds=1.0, seconds_by_part={"arithmetic": 1.0}))

    shown = capsys.readouterr().out
    assert "best" not in shown
    assert "test (last checkpoint)" in shown


def test_a_regression_has_no_accuracy(capsys):
    metrics = {"train/loss": 0.5, "val/loss": 0.25, "val/acc": None, "val/mae": 0.125}
    result = Result("completed", 0, metrics, seconds=1.0, seconds_by_part={"arithmetic": 1.0})

    print_summary(result)

    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split() == ["loss", "mae"]
    assert "train (last epoch)" in shown
    assert shown.splitlines()[2].endswith("0.2500  0.1250")
    assert "test (" not in shown
    assert "None" not in shown


def test_metrics_are_a_line_each(capsys):
    print_metrics({"test/loss": 0.12345, "test/acc": 0.9, "test/mae": 0.0000321, "test/r2": -4.5e30, "test/f1": 0.0})

    shown = ["test/loss 0.1235", "test/acc 0.9000", "test/mae 3.210e-05", "test/r2 -4.500e+30", "test/f1 0.0000"]
    assert capsys.readouterr().out.splitlines() == shown
