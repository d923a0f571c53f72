"""`provenance erase`, `hold` and `retention`: what they refuse before they ask the server, and who may call them."""

import pytest

from tests.cli.process import Person


class TestErasure:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("erase", "--reason", "x"), "Name one of"),
            (("erase", "--reason", "x", "--user", "a", "--resource", "b"), "Name one of"),
            (("erase", "--reason", "x", "--filter", "{"), "not JSON"),
            (("erase", "--reason", "x", "--filter", "[]"), "not a JSON object"),
            (("retention", "set", "["), "not JSON"),
        ],
    )
    async def test_what_is_not_meant_is_a_mistake_of_usage(
        self, person: Person, arguments: tuple[str, ...], says: str
    ) -> None:
        done = await person.run(*arguments)
        assert done.returncode == 2
        assert says in done.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ("erase", "--user", "ada", "--reason", "x", "--yes"),
            ("hold", "list"),
            ("hold", "set", "--filter", "{}", "--reason", "x"),
            ("retention", "show"),
        ],
    )
    async def test_a_key_may_not(self, person: Person, arguments: tuple[str, ...]) -> None:
        done = await person.run(*arguments)
        assert done.returncode == 1
        assert "people_only" in done.stderr
