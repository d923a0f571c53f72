"""Tests of html_to_text."""

import unittest

from main import run


class HtmlToText(unittest.TestCase):
    """Pages as they come."""

    def test_what_is_not_for_reading_is_left_out(self) -> None:
        """Scripts, styles and heads."""
        page = "<head><style>p{}</style></head><p>a<script>alert('x')</script> b</p><noscript>c</noscript>"
        self.assertEqual(run({"html": page})["text"], "a b")

    def test_lists_and_tables(self) -> None:
        """Blocks stand on lines of their own."""
        page = "<ul><li>one</li><li>two</li></ul><table><tr><td>1</td><td>2</td></tr></table>"
        self.assertEqual(run({"html": page})["text"].split(), ["-", "one", "-", "two", "1", "2"])

    def test_broken_pages_are_read_all_the_same(self) -> None:
        """What is never closed, and closed twice."""
        self.assertEqual(run({"html": "<p>a<b>b</p></p></div><a href=x>c"})["text"].replace("\n", ""), "abc")

    def test_scripts_are_no_links(self) -> None:
        """An address that is code is not listed."""
        self.assertEqual(run({"html": "<a href='javascript:x()'>a</a>"}), {"text": "a", "links": []})
