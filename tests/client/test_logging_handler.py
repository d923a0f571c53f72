import logging
from collections.abc import Iterator

import pytest

from provenance_client import ProvenanceHandler, SyncProvenance
from tests.client.conftest import MakeRecorder
from tests.client.standin import StandIn, problem


@pytest.fixture
def provenance(recording: MakeRecorder) -> SyncProvenance:
    return recording(linger=0.0)


@pytest.fixture
def logger(provenance: SyncProvenance) -> Iterator[logging.Logger]:
    found = logging.getLogger("shop.orders")
    handler = ProvenanceHandler(provenance, level="INFO")
    found.addHandler(handler)
    found.setLevel(logging.DEBUG)
    yield found
    found.removeHandler(handler)


def test_a_record_becomes_an_interaction(server: StandIn, provenance: SyncProvenance, logger: logging.Logger) -> None:
    with provenance.unit_of_work() as unit:
        logger.warning("order %s is late", "o-1")
    logger.debug("not this one")
    assert provenance.flush()
    (row,) = server.rows
    assert (row["resourceType"], row["resourceId"], row["action"]) == ("LOGGER", "shop.orders", "WARNING")
    assert row["interaction"]["message"] == "order o-1 is late"
    assert row["interaction"]["function"] == "test_a_record_becomes_an_interaction"
    assert row["uowId"] == unit.id


def test_extra_says_more(server: StandIn, provenance: SyncProvenance, logger: logging.Logger) -> None:
    extra = {"resource_type": "ORDER", "resource_id": "o-1", "interaction": {"total": 5}}
    try:
        raise ValueError("no stock")
    except ValueError:
        logger.exception("failed", extra={"provenance": extra})
    assert provenance.flush()
    (row,) = server.rows
    assert (row["resourceType"], row["resourceId"], row["outcome"]) == ("ORDER", "o-1", "failure")
    assert row["interaction"]["total"] == 5
    assert row["interaction"]["exception"]["type"] == "ValueError"


def test_own_levels_make_valid_words(server: StandIn, provenance: SyncProvenance, logger: logging.Logger) -> None:
    logger.log(25, "between")
    assert provenance.flush()
    assert server.rows[0]["action"] == "Level_25"


def test_a_failure_stays_in_the_handler(
    provenance: SyncProvenance, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.error("x", extra={"provenance": {"no_such_argument": 1}})
    assert "no such argument: no_such_argument" in capsys.readouterr().err
    assert provenance.stats().logged == 0


def test_the_sender_does_not_feed_itself(server: StandIn, recording: MakeRecorder) -> None:
    provenance = recording(linger=0.0)
    root, handler = logging.getLogger(), ProvenanceHandler(provenance, logging.DEBUG)
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        server.script.append(problem(503, "overloaded", "Later."))
        logging.getLogger("shop").info("one")
        assert provenance.flush()
        assert provenance.flush()
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert [row["resourceId"] for row in server.rows] == ["shop"]
