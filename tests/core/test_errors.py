"""Every error of the code has a name, a stable word, a status, and renders in the one shape."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest

import provenance
from provenance.core.errors import Invalid, Problem, Unavailable

DOCUMENTED = {400, 401, 403, 404, 405, 409, 413, 429, 500, 503}


def problems() -> list[type[Problem]]:
    """Return every named error of the server."""
    for module in walk_packages(provenance.__path__, "provenance."):
        if not module.name.startswith(("provenance.cli", "provenance.__main__")):
            import_module(module.name)

    def below(kind: type[Problem]) -> Iterator[type[Problem]]:
        yield kind
        for each in kind.__subclasses__():
            yield from below(each)

    return sorted(set(below(Problem)), key=lambda kind: kind.__qualname__)


class TestEveryError:
    @pytest.mark.parametrize("kind", problems(), ids=lambda kind: kind.__qualname__)
    def test_has_a_word_a_status_and_a_sentence(self, kind: type[Problem]) -> None:
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", kind.code)
        assert kind.status in DOCUMENTED
        assert kind.__doc__, kind


class TestBody:
    def test_both_contracts_can_read_it(self) -> None:
        error = Invalid.at("interaction.a[0]", "is bad", code="bad_thing")
        assert json.loads(error.body("req_x")) == {
            "type": "/docs/errors#bad_thing",
            "title": "Bad request",
            "status": 400,
            "code": "bad_thing",
            "detail": "interaction.a[0]: is bad",
            "error": "interaction.a[0]: is bad",
            "details": [{"path": "interaction.a[0]", "issue": "is bad"}],
            "requestId": "req_x",
        }

    def test_without_a_detail_the_title_speaks(self) -> None:
        assert json.loads(Problem().body("req_x"))["detail"] == "Internal server error"

    def test_unavailable_says_when_to_come_back(self) -> None:
        assert Unavailable("busy", retry_after=7).headers == {"Retry-After": "7"}
