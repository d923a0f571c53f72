"""Tests of template."""

import unittest

from main import run
from provenance_skill import Failed


class Template(unittest.TestCase):
    """Filling in, and what is refused."""

    def test_nested_blocks(self) -> None:
        """Loops and conditions hold each other."""
        inner = "{{ p.name }}:{% for t in p.tags %} {{ t }}{% endfor %};"
        template = "{% for p in people %}{% if p.tags %}" + inner + "{% endif %}{% endfor %}"
        people = [{"name": "Ann", "tags": ["a", "b"]}, {"name": "Bob", "tags": []}]
        self.assertEqual(run({"template": template, "values": {"people": people}})["text"], "Ann: a b;")

    def test_values_are_never_read_as_templates(self) -> None:
        """What is filled in stays a text."""
        self.assertEqual(run({"template": "{{ a }}", "values": {"a": "{{ b }}"}})["text"], "{{ b }}")

    def test_there_is_no_code(self) -> None:
        """A name is a name."""
        for template in ("{{ a.__class__ }}", "{{ a() }}", "{% import os %}", "{% for a in b %}", "{% endif %}"):
            with self.assertRaises(Failed):
                run({"template": template, "values": {"a": "x", "b": []}})
