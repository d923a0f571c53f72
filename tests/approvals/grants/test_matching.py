"""What a grant covers: rules over payloads, and the order of risks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.approvals.grants.matching import covers_risk, hold, holds
from provenance.approvals.grants.schemas import Operator, PayloadRule
from provenance.audit.schemas import Risk

PAYLOAD = {"order": {"amount": 750, "currency": "EUR", "paid": True}, "tags": ["a"], "none": None}

CASES = [
    ("order.amount", "le", 1000, True),
    ("order.amount", "lt", 750, False),
    ("order.amount", "ge", 750.0, True),
    ("order.amount", "gt", 750, False),
    ("order.amount", "eq", 750.0, True),
    ("order.amount", "ne", 750, False),
    ("order.amount", "lt", "9", False),
    ("order.currency", "in", ["EUR", "CHF"], True),
    ("order.currency", "in", "EUR", False),
    ("order.currency", "lt", "FFF", True),
    ("order.paid", "eq", 1, False),
    ("order.paid", "eq", True, True),
    ("order.paid", "lt", 2, False),
    ("none", "eq", None, True),
    ("tags", "eq", ["a"], True),
    ("missing", "ne", 5, False),
    ("order.amount.deep", "ne", 5, False),
    ("tags.0", "eq", "a", False),
]


@pytest.mark.parametrize(("path", "op", "value", "expected"), CASES)
def test_a_rule_holds_or_does_not(path: str, op: str, value: Any, expected: bool) -> None:
    assert holds(PayloadRule(path=path, op=Operator(op), value=value), PAYLOAD) is expected


def test_all_must_hold() -> None:
    rules = [PayloadRule(path="order.amount", op=Operator.LE, value=n) for n in (1000, 800, 700)]
    assert hold(rules[:2], PAYLOAD)
    assert not hold(rules, PAYLOAD)
    assert hold([], None)


@pytest.mark.parametrize("most", ["low", "medium", "high"])
def test_critical_risk_is_never_covered(most: str) -> None:
    covered = [risk.value for risk in Risk if covers_risk(most, risk.value)]
    assert covered == ["low", "medium", "high"][: ["low", "medium", "high"].index(most) + 1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(payload=values, path=st.sampled_from(["a", "a.b", "b.a.a"]), op=st.sampled_from(Operator), value=values)
def test_any_rule_over_any_payload_says_yes_or_no(payload: Any, path: str, op: Operator, value: Any) -> None:
    assert holds(PayloadRule(path=path, op=op, value=value), payload) in (True, False)
