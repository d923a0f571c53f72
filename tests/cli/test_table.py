import pytest

from provenance.cli.table import GAP, fit

NATURAL = {
    "#": 6,
    "When (UTC)": 19,
    "Action": 10,
    "Type": 10,
    "Resource": 40,
    "User": 12,
    "Origin": 8,
    "Unit of work": 36,
    "Details": 160,
}


def taken(widths: dict[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


class TestFit:
    @pytest.mark.parametrize("width", range(76, 320, 7))
    def test_fills_the_terminal_and_never_more(self, width: int) -> None:
        found = fit(NATURAL, width)

        assert taken(found) == min(width, taken(NATURAL))
        assert found["#"] == 6
        assert list(found) == [title for title in NATURAL if title in found]

    def test_what_matters_least_goes_first(self) -> None:
        assert "Details" not in fit(NATURAL, 90)
        assert "Unit of work" not in fit(NATURAL, 120)
        assert fit(NATURAL, 1_000) == NATURAL

    def test_a_column_without_content_takes_no_room(self) -> None:
        natural = {title: size for title, size in NATURAL.items() if title not in ("User", "Details")}

        assert taken(fit(natural, 150)) == taken(natural)
