"""Reading event files back with TensorBoard's own classes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context


@pytest.fixture
def read():
    """The events of one folder."""

    def events(folder):
        return EventAccumulator(
            str(folder), size_guidance=dict.fromkeys(("scalars", "tensors", "images", "histograms"), 0)
        ).Reload()

    return events


@pytest.fixture
def curves(read):
    """The scalars of one folder: for each tag a list of steps and values."""

    def scalars(folder):
        events = read(folder)
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    return scalars


@pytest.fixture
def provider():
    """What TensorBoard's server knows of a log folder."""

    def loaded(logdir):
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
        multiplexer.Reload()
        return MultiplexerDataProvider(multiplexer, str(logdir))

    return loaded


@pytest.fixture
def hparams_tab(provider):
    """The HParams tab of a log folder, as its backend answers: columns and session groups."""

    def tab(logdir: Path):
        context = Context(TBContext(data_provider=provider(logdir), logdir=str(logdir)))
        asked = api_pb2.GetExperimentRequest(include_metrics=True)
        experiment = get_experiment.Handler(RequestContext(), context, "", asked).run()
        statuses = [getattr(api_pb2, f"STATUS_{word}") for word in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]
        request = api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=1000)
        groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
        return SimpleNamespace(
            settings=[info.name for info in experiment.hparam_infos],
            differing={info.name for info in experiment.hparam_infos if info.differs},
            metrics=[info.name.tag for info in experiment.metric_infos],
            groups=[_group(group) for group in groups],
        )

    return tab


def _group(group):
    kinds = {name: value.WhichOneof("kind") for name, value in group.hparams.items()}
    return SimpleNamespace(
        name=group.name,
        settings={name: getattr(group.hparams[name], kind) for name, kind in kinds.items()},
        metrics={value.name.tag: value.value for value in group.metric_values},
        statuses=[api_pb2.Status.Name(session.status).removeprefix("STATUS_") for session in group.sessions],
        sessions=[session.name for session in group.sessions],
    )
