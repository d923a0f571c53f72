import pytest

from provenance.cli import terminal

ROW = {
    "actionMnemonic": "CREATE",
    "actionIcon": "➕",
    "actionBgColorHex": "#22c55e",
    "actionFontColorHex": "#ffffff",
}


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "coloured", lambda: True)


@pytest.mark.usefixtures("colours")
class TestBadge:
    def test_takes_the_catalogues_colours_and_icon(self) -> None:
        badge = terminal.badge(ROW, "action")

        assert badge.plain == " ➕ CREATE "
        assert badge.style == "#ffffff on #22c55e"

    def test_an_icons_name_is_not_shown_as_text(self) -> None:
        assert terminal.badge({**ROW, "actionIcon": "plus"}, "action").plain == " CREATE "

    def test_a_bad_colour_is_no_colour(self) -> None:
        assert terminal.badge({**ROW, "actionBgColorHex": "red; rm"}, "action").plain == "➕ CREATE"


class TestPlain:
    def test_spells_out_what_would_steer_the_terminal(self) -> None:
        assert terminal.plain("a\x1b[31mb\x9b\u202e\n") == "a\\u001b[31mb\\u009b\\u202e\\u000a"

    def test_keeps_letters_of_every_script(self) -> None:
        assert terminal.plain("Grüße 👤 你好") == "Grüße 👤 你好"


class TestAsJson:
    def test_stays_json_and_steers_nothing(self) -> None:
        text = terminal.as_json({"a": "\x1b\x9b\u202e"})

        assert text == '{"a":"\\u001b\\u009b\\u202e"}'
