"""Pages asked for and pages answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.pagination import MAX_LIMIT, PageAsked, UseCursor, page_asked, paged


class TestAsked:
    async def test_nothing_asked_is_the_first_fifty(self) -> None:
        asked = await page_asked()
        assert (asked.asked, asked.page, asked.limit, asked.offset) == (False, 1, 50, 0)

    async def test_limit_wins_over_its_other_name(self) -> None:
        assert (await page_asked(limit=7, page_size=9)).limit == 7
        assert (await page_asked(page_size=9)).limit == 9

    async def test_deep_pages_ask_for_the_cursor(self) -> None:
        assert (await page_asked(page=21, limit=500)).offset == 10_000
        with pytest.raises(UseCursor) as refused:
            await page_asked(page=22, limit=500)
        assert (refused.value.code, refused.value.details[0]["path"]) == ("use_cursor", "page")


class TestPaged:
    @given(st.integers(1, 20), st.integers(1, MAX_LIMIT), st.integers(0, 100_000))
    def test_the_envelope_adds_up(self, page: int, limit: int, total: int) -> None:
        found = paged([], PageAsked(page=page, limit=limit), total)["pagination"]
        assert found["totalPages"] * limit >= total > (found["totalPages"] - 1) * limit
        assert found["hasNext"] == (page * limit < total)
        assert found["hasPrev"] == (page > 1)
