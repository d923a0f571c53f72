"""What channels say of rows: only of events that there are."""

from provenance.approvals.schemas import ApprovalEvent
from provenance.bus.events import BusEvent
from provenance.realtime import summaries
from provenance.runs.events import RunEvent


def test_every_event_that_is_told_of_exists() -> None:
    known = {each.value for kind in (ApprovalEvent, BusEvent, RunEvent) for each in kind}
    told = {*summaries._RUN, *summaries._APPROVAL, *summaries._BUS}
    assert told <= known


def test_what_becomes_of_messages_is_told_in_the_words_of_the_contract() -> None:
    assert {"bus.delivered", "bus.failed", "bus.dead_lettered"} <= set(summaries._BUS.values())
