"""kill -9 of server and worker while messages are published and delivered: `python -m bench bus --kill`, in small."""

import pytest

from bench.bus_kill import prove
from bench.bus_target import Plan
from bench.stack import installation


@pytest.mark.timeout(900)  # it starts nine processes, and other work may have most of the machine
def test_every_message_arrives_in_order_under_one_id_and_only_hopeless_ones_are_dead_letters() -> None:
    plan = Plan(600, keys=30, slow_seconds=0.1, refused_every=100, hopeless_every=600)
    with installation() as stack:
        found = prove(stack, plan, patience=300.0, kills=(0.5,), hasten=True)
    assert found.proven, found
    assert found.dead == len(plan.dead()) == 7
    assert sum(each.arrivals for each in found.verdicts) > 3 * plan.messages
