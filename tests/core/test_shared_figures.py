"""Figures of several processes on one address: whichever is asked answers for all."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from provenance.core.metrics import RequestFigures
from provenance.core.shared_figures import SharedFigures


def told(figures: RequestFigures) -> dict[str, float]:
    """What a scrape of this process says: counts by status, buckets by bound, sum of seconds."""
    return {
        sample.labels.get("status") or sample.labels.get("le") or sample.name.rsplit("_", 1)[1]: sample.value
        for family in figures.collect()
        for sample in family.samples
    }


@asynccontextmanager
async def sharing(folder: Path, number: int, figures: RequestFigures, run: str = "100"):
    shared = SharedFigures(folder, run, number, figures)
    shared.start()
    try:
        yield
    finally:
        await shared.stop()


async def test_each_tells_what_all_have_counted(tmp_path: Path) -> None:
    one, two = RequestFigures(), RequestFigures()
    one.observe("GET", "/a", 200, 0.002)
    two.observe("GET", "/a", 200, 0.2)
    two.observe("GET", "/a", 404, 20.0)
    async with sharing(tmp_path / "figures", 1, one), sharing(tmp_path / "figures", 2, two):
        await asyncio.sleep(0)  # both write at once when they begin
        for figures in (one, two):
            found = told(figures)
            assert (found["200"], found["404"]) == (2, 1)
            assert (found["0.0025"], found["0.25"], found["+Inf"]) == (1, 2, 3)
            assert found["sum"] == pytest.approx(20.202)


async def test_one_that_begins_again_goes_on_and_a_new_run_begins_anew(tmp_path: Path) -> None:
    first = RequestFigures()
    first.observe("GET", "/a", 200, 0.002)
    async with sharing(tmp_path, 1, first):
        pass
    again = RequestFigures()
    again.observe("GET", "/a", 200, 0.002)
    async with sharing(tmp_path, 1, again):
        assert told(again)["200"] == 2
    new = RequestFigures()
    new.observe("GET", "/a", 200, 0.002)
    async with sharing(tmp_path, 1, new, run="200"):
        assert told(new)["200"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["200-1.json"]


async def test_a_file_that_cannot_be_read_counts_for_nothing(tmp_path: Path) -> None:
    figures = RequestFigures()
    figures.observe("GET", "/a", 200, 0.002)
    async with sharing(tmp_path, 1, figures):
        (tmp_path / "100-2.json").write_text('{"requests": 7}')
        assert told(figures)["200"] == 1
