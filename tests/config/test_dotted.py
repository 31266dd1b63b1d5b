"""Nested mappings by dotted keys."""

from lightsweep.config.dotted import dotted


def test_lists_and_empty_mappings_are_leaves():
    tree = {"a": {"b": 1, "c": {"d": None}}, "e": [{"f": 2}], "g": {}, 3: {"h": "x"}}
    assert list(dotted(tree)) == [("a.b", 1), ("a.c.d", None), ("e", [{"f": 2}]), ("g", {}), ("3.h", "x")]
    assert list(dotted({})) == []
