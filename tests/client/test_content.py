import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import uuid_utils

from provenance_client import InvalidRequest, TooLarge
from provenance_client.content import encode, encode_interaction, utc_text

FIELDS: dict[str, Any] = {"resourceId": "r", "resourceType": "USER", "action": "A", "origin": "O"}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


class TestEncode:
    def test_values_with_an_obvious_text(self) -> None:
        sent = {
            "at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
            "day": date(2026, 1, 2),
            "id": uuid.UUID(int=1),
            "seven": uuid_utils.UUID(int=7),
            "amount": Decimal("12.50"),
        }
        assert json.loads(encode(sent)) == {
            "at": "2026-01-02T03:04:05.000006Z",
            "day": "2026-01-02",
            "id": "00000000-0000-0000-0000-000000000001",
            "seven": "00000000-0000-0000-0000-000000000007",
            "amount": "12.50",
        }

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x", "\ud800"])
    def test_not_json(self, value: object) -> None:
        with pytest.raises(InvalidRequest) as caught:
            encode({"a": value})
        assert caught.value.code == "not_json"

    def test_cycle(self) -> None:
        value: list[Any] = []
        value.append(value)
        with pytest.raises(InvalidRequest, match="not_json"):
            encode(value)


class TestEncodeInteraction:
    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"resourceId": ""}, "resourceId"),
            ({"resourceId": "x" * 513}, "resourceId"),
            ({"resourceId": None}, "resourceId"),
            ({"resourceId": 7}, "resourceId"),
            ({"resourceType": None}, "resourceType"),
            ({"action": ""}, "action"),
            ({"origin": None}, "origin"),
            ({"userId": ""}, "userId"),
            ({"externalReference": "x" * 513}, "externalReference"),
            ({"uowId": "not-a-uuid"}, "uowId"),
            ({"interaction": {"n": 2**53}}, "interaction.n"),
            ({"interaction": {"a": ["x", "nul\x00"]}}, "interaction.a.1"),
        ],
    )
    def test_names_the_path(self, change: dict[str, Any], path: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            encode_interaction({**FIELDS, **change})
        assert [item["path"] for item in caught.value.details] == [path]

    def test_limits_are_inclusive(self) -> None:
        encode_interaction({**FIELDS, "resourceId": "x" * 512, "interaction": {"n": 2**53 - 1, "m": 1 - 2**53}})
        encode_interaction({**FIELDS, "resourceType": None, "resourceTypeId": "id"})

    def test_size(self) -> None:
        with pytest.raises(TooLarge):
            encode_interaction({**FIELDS, "interaction": {"text": "é" * 131_072}})

    def test_depth_counts_the_item_itself(self) -> None:
        encode_interaction({**FIELDS, "interaction": nested(63)})
        with pytest.raises(InvalidRequest, match="too_deep"):
            encode_interaction({**FIELDS, "interaction": nested(64)})

    def test_what_only_looks_suspicious_passes(self) -> None:
        content = {"text": "\\u0000 and 12345678901234567890", "f": 1234567890.1234567890123}
        assert json.loads(encode_interaction({**FIELDS, "interaction": content}))["interaction"] == content

    def test_ids_are_put_in_canonical_form(self) -> None:
        item = {**FIELDS, "uowId": "01A2005DDED970C49C544FC400A64C57"}
        assert json.loads(encode_interaction(item))["uowId"] == "01a2005d-ded9-70c4-9c54-4fc400a64c57"


def test_utc_text_of_another_zone() -> None:
    assert utc_text(datetime.fromisoformat("2026-01-01T00:30:00+02:00")) == "2025-12-31T22:30:00.000000Z"
