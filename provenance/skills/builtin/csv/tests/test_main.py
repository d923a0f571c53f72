"""Tests of csv."""

import unittest

from main import run


class Csv(unittest.TestCase):
    """Reading and writing, and both in turn."""

    def test_a_round_trip_keeps_what_is_hard(self) -> None:
        """Quotes, delimiters and line breaks survive."""
        rows = [{"a": 'say "hi"', "b": "x,y"}, {"a": "two\nlines", "b": ""}]
        self.assertEqual(run({"text": run({"rows": rows})["text"]})["rows"], rows)

    def test_other_delimiters_are_found(self) -> None:
        """Semicolons and tabs are guessed."""
        for delimiter in ";\t|":
            text = f"a{delimiter}b\n1{delimiter}2\n3{delimiter}4\n"
            self.assertEqual(run({"text": text})["rows"][1], {"a": "3", "b": "4"})

    def test_a_short_line_has_nulls(self) -> None:
        """Columns that a line lacks are null."""
        self.assertEqual(run({"text": "a,b\n1\n"})["rows"], [{"a": "1", "b": None}])

    def test_nothing_is_no_rows(self) -> None:
        """An empty text has no rows."""
        self.assertEqual(run({"text": ""}), {"rows": [], "columns": None})
