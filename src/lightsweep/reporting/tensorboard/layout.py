"""The Custom Scalars tab, laid out in advance: every run and every multirun brings the same charts.

TensorBoard merges the layouts of all runs, category by category, and drops a chart that is there already; so charts are
told apart by their tags alone, and never name a run.
"""

from tensorboard.plugins.custom_scalar import metadata
from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)

from lightsweep.reporting.tensorboard.events import BY_EPOCH, Value, string_tensor

MEAN, LOWER, UPPER = "mean/", "lower/", "upper/"
"""What stands before a metric's name where it is averaged over seeds."""


def run_layout(has_accuracy: bool, norms: bool) -> Value:
    """The charts of a run: training and validation in one, rates, norms, and where the time goes."""
    layout = Layout(category=[_curves("loss", "Loss")])
    if has_accuracy:
        layout.category.append(_curves("acc", "Accuracy"))
    rates = [_lines("learning rate", "lr$"), _lines("momentum", "momentum$")]
    layout.category.append(Category(title="Learning rate and momentum", chart=rates))
    if norms:
        charts = [
            _lines("gradient", "norm/gradient$"),
            _lines("weights", "norm/weights$"),
            _lines("gradient of each parameter", "norm_gradient/"),
            _lines("weights of each parameter", "norm_weights/"),
        ]
        layout.category.append(Category(title="Norms", chart=charts))
    layout.category.append(Category(title="Where the time goes", chart=[_lines("seconds in all, by part", "time/")]))
    return _value(layout)


def seeds_layout(metrics: list[str]) -> Value:
    """The charts of a multirun: each metric's mean over seeds, with its interval.

    Args:
        metrics: names as in `metrics.csv`.
    """
    kinds = {"loss": "/loss", "accuracy": "/acc", "other metrics": ""}
    named: dict[str, list[str]] = {title: [] for title in kinds}
    for name in metrics:
        named[next(title for title, kind in kinds.items() if kind in name)].append(name)
    categories = [
        Category(title=f"Mean over seeds, with its 95 % interval: {title}", chart=[_margin(name) for name in names])
        for title, names in named.items()
        if names
    ]
    return _value(Layout(category=categories))


def _curves(metric: str, title: str) -> Category:
    steps, epochs = f"(train|val)/{metric}$", f"{BY_EPOCH}(train|val)/{metric}$"
    return Category(title=title, chart=[_lines("against steps or time", steps), _lines("against epochs", epochs)])


def _lines(title: str, *tags: str) -> Chart:
    return Chart(title=title, multiline=MultilineChartContent(tag=tags))


def _margin(metric: str) -> Chart:
    series = MarginChartContent.Series(value=MEAN + metric, lower=LOWER + metric, upper=UPPER + metric)
    return Chart(title=metric, margin=MarginChartContent(series=[series]))


def _value(layout: Layout) -> Value:
    tensor = string_tensor(layout.SerializeToString(), [])
    return Value(tag=metadata.CONFIG_SUMMARY_TAG, metadata=metadata.create_summary_metadata(), tensor=tensor)
