"""Tests of json."""

import unittest

from main import merged, picked, run
from provenance_skill import Failed


class Json(unittest.TestCase):
    """The letter of three standards."""

    def test_pointers(self) -> None:
        """The examples of RFC 6901."""
        value = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8}
        for pointer, found in (("", value), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/m~0n", 8), ("/foo/9", None)):
            self.assertEqual(picked(value, pointer), found)

    def test_merge_patches(self) -> None:
        """Examples of RFC 7396."""
        self.assertEqual(merged({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}), {"a": {"b": "d"}})
        self.assertEqual(merged({"a": "b"}, ["c"]), ["c"])
        self.assertEqual(merged([1, 2], {"a": {"bb": {"ccc": None}}}), {"a": {"bb": {}}})

    def test_what_is_no_json_is_told(self) -> None:
        """NaN and doubled members are none."""
        for text in ("NaN", '{"a": 1, "a": 2}', "{", ""):
            with self.assertRaises(Failed) as raised:
                run({"text": text})
            self.assertEqual(raised.exception.code, "not_json")
