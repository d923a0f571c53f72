"""The table of records names every route that is no read; what the routes leave is watched in every test."""

from provenance.core.settings import Settings
from provenance.main import create_app
from provenance.openapi import declared_routes
from tests.conventions.records import LEFT, NO_WRITE, REFUSALS, UNCHANGED
from tests.watching import READS


def writes() -> set[str]:
    app = create_app(Settings(database_url="postgresql://nobody@localhost/nothing"))
    routes = declared_routes(app.framework)
    return {str(route.operation_id) for route in routes if not route.methods <= set(READS)}


def test_each_write_has_its_record_or_a_reason_for_none() -> None:
    assert writes() - LEFT.keys() - NO_WRITE.keys() == set()


def test_no_line_is_about_a_route_that_is_gone() -> None:
    assert (LEFT.keys() | NO_WRITE.keys() | UNCHANGED.keys() | REFUSALS.keys()) - writes() == set()


def test_no_write_is_listed_as_none() -> None:
    assert LEFT.keys() & NO_WRITE.keys() == set()
    assert UNCHANGED.keys() <= LEFT.keys()
