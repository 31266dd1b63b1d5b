"""Malformed configurations, CSVs and IDX files: each is refused in one line with exit code 2, or is what it says."""

import gzip
import io
import signal
from contextlib import redirect_stderr
from copy import deepcopy

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lightsweep.cli.ending import ended_by
from lightsweep.config.check import check
from lightsweep.config.compose import compose as compose_from_words
from lightsweep.config.experiment_file import expand_experiment
from lightsweep.config.saved import read_config, read_result
from lightsweep.data import CSV
from lightsweep.data.idx import read_labelled
from lightsweep.paths import RunPaths
from tests.faults.kills import SEED

SLOW = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def fuzzed(fast, slow, *strategies):
    """The test with few cases and, marked slow, with many."""

    def make(function):
        many = pytest.mark.parametrize(
            "cases", [pytest.param(fast, id=f"{fast}"), pytest.param(slow, id=f"{slow}", marks=pytest.mark.slow)]
        )

        def test(cases, tmp_path, request):
            @seed(SEED)
            @settings(SLOW, max_examples=cases)
            @given(st.tuples(*strategies))
            def run(drawn):
                function(tmp_path, request, *drawn)

            run()

        test = pytest.mark.timeout(3000)(test)  # for a machine that is busy with other things
        test.__name__ = test.__qualname__ = function.__name__
        return many(test)

    return make


def refusal(function):
    """The line with which a command that does this ends; None where it does not end by an error."""
    before, err = signal.getsignal(signal.SIGTERM), io.StringIO()
    try:
        with redirect_stderr(err):
            ended_by(function)
    except SystemExit as end:
        code, line = end.code, err.getvalue()
    else:
        return None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == 2, line
    assert line.startswith("error: "), line
    assert line.count("\n") == 1, line
    return line


WORDS = st.sampled_from(
    [
        "${x}",
        "${",
        "}",
        "???",
        "${oc.env:NOPE}",
        "os.system",
        "nan",
        "1e400",
        "auto",
        "../..",
        "null",
        "a=b",
        "[1,",
        "'",
    ]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=5,
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["set", "delete", "add", "tear"]), VALUES), min_size=1, max_size=3
)


def places(values, above=()):
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def changed(values, changes):
    found = deepcopy(values)
    for number, how, value in changes:
        every = list(places(found))
        if not every:
            break
        *groups, last = every[number % len(every)]
        node = found
        for group in groups:
            node = node[group]
        if how == "delete":
            del node[last]
        elif how == "add":
            node[str(value)] = number
        else:
            node[last] = value
    return found


@fuzzed(60, 900, CHANGES)
def test_configs(tmp_path, request, changes):
    whole = OmegaConf.to_container(request.getfixturevalue("compose")(), resolve=True)
    folder = RunPaths(tmp_path)
    text = yaml.safe_dump(changed(whole, changes), allow_unicode=True)
    if changes[0][1] == "tear":
        text = text[: changes[0][0] % len(text)]
    folder.config.write_text(text, encoding="utf-8", errors="replace")

    refusal(lambda: check(read_config(folder)))
    refusal(lambda: expand_experiment([f"experiment={folder.config}"]))


@fuzzed(20, 200, st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
def test_files_that_are_no_configs(tmp_path, request, content):
    folder = RunPaths(tmp_path)
    folder.config.write_bytes(content)
    folder.result.write_bytes(content)

    assert refusal(lambda: check(read_config(folder))) is not None
    refusal(lambda: expand_experiment([f"experiment={folder.config}"]))
    refusal(lambda: read_result(folder))


KEYS = st.sampled_from(
    ["seed", "optimizer", "optimizer.lr", "model.widths", "trainer", "data.root", "+x", "~seed", "++a.b"]
)


@fuzzed(10, 120, st.lists(st.text(max_size=15) | st.tuples(KEYS, st.text(max_size=12)).map("=".join), max_size=3))
def test_overrides(tmp_path, request, words):
    refusal(lambda: compose_from_words(words))


CELLS = st.sampled_from(
    ["1", "2.5", "-3e8", "nan", "inf", "-inf", "", " 4 ", "1e308", "-1e308", "1e-320", "yes", "٣", "1_0"]
)
TABLES = st.lists(st.lists(CELLS | st.text(max_size=6), min_size=0, max_size=4), max_size=8).map(
    lambda rows: "\n".join(",".join(row) for row in [["a", "b", "y"], *rows]).encode("utf-8", "replace")
)
SPOILT = st.tuples(st.sampled_from(["none", "cut", "zero", "latin", "quote", "long", "bom"]), st.integers(0, 10**6))


@fuzzed(60, 700, TABLES | st.binary(max_size=60), SPOILT, st.sampled_from(["classification", "regression"]))
def test_tables(tmp_path, request, content, spoilt, task):
    how, at = spoilt
    at %= len(content) + 1
    content = {
        "none": content,
        "cut": content[:at],
        "zero": content[:at] + b"\0" + content[at:],
        "latin": content[:at] + b"\xe9" + content[at:],
        "quote": content[:at] + b'"' + content[at:],
        "long": content[:at] + b"7" * 1_100_000 + content[at:],
        "bom": b"\xef\xbb\xbf" + content,
    }[how]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    found = []

    refused = refusal(lambda: found.append(CSV(str(path), "y", task, batch_size=1).load_train()))

    assert (refused is None) == bool(found)
    if found:
        assert torch.isfinite(found[0].inputs).all()
        assert torch.isfinite(found[0].targets).all()
        assert len(found[0].inputs) == len(found[0].targets) > 0


def idx(magic, shape, content):
    return magic + b"".join(size.to_bytes(4, "big") for size in shape) + content


SIZES = st.integers(0, 4) | st.sampled_from([2**16, 2**31, 2**32 - 1])
IMAGES = st.builds(
    idx,
    st.just(b"\0\0\x08\x03") | st.binary(min_size=4, max_size=4),
    st.lists(SIZES, min_size=3, max_size=3) | st.just([2, 3, 3]),
    st.binary(max_size=20) | st.just(bytes(range(18))),
)
LABELS = st.builds(
    idx,
    st.just(b"\0\0\x08\x01") | st.binary(min_size=4, max_size=4),
    st.lists(SIZES, min_size=1, max_size=1) | st.just([2]),
    st.binary(max_size=4) | st.just(b"\x03\x09") | st.just(b"\x0a\x01"),
)


@fuzzed(60, 700, IMAGES, LABELS, st.booleans(), st.lists(st.integers(0, 10**6), max_size=2))
def test_idx_files(tmp_path, request, images, labels, packed, flips):
    suffix = ".gz" if packed else ""
    paths = []
    for name, content in (("images", images), ("labels", labels)):
        spoilt = bytearray(gzip.compress(content, mtime=0) if packed else content)
        for flip in flips:
            if spoilt:
                spoilt[flip // 8 % len(spoilt)] ^= 1 << flip % 8
        paths.append(tmp_path / f"{name}{suffix}")
        paths[-1].write_bytes(spoilt)
    found = []

    refused = refusal(lambda: found.append(read_labelled(*paths, range(10))))

    assert (refused is None) == bool(found)
    if found:
        assert len(found[0].inputs) == len(found[0].targets) > 0
        assert 0 <= int(found[0].targets.min()) <= int(found[0].targets.max()) <= 9
    else:
        assert any(str(path) in refused for path in paths), refused


def test_a_gzip_bomb_costs_neither_memory_nor_time(tmp_path):
    """2 GiB of zeros behind a header that says 18 bytes."""
    path = tmp_path / "images.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(idx(b"\0\0\x08\x03", [2, 3, 3], bytes(18)))
        for _ in range(64):
            file.write(bytes(2**25))

    line = refusal(lambda: read_labelled(path, path, range(10)))

    assert "goes on after the 2 × 3 × 3 values" in line
