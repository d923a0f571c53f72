import io
import json
import sys
from pathlib import Path

import pytest

from provenance.cli.importers.contract import BadSource, Record, Unreadable
from provenance.cli.importers.ndjson import NdjsonFile

LINE = {"resourceId": "user-1", "resourceType": "USER", "action": "CREATE"}


def records(path: Path) -> list[Record | Unreadable]:
    return list(NdjsonFile().records(str(path)))


class TestRecords:
    def test_a_line_is_an_item_with_a_key_of_its_content(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ndjson"
        path.write_text(f"{json.dumps(LINE)}\n\n  {json.dumps(LINE)}  \n")

        first, second = records(path)

        assert isinstance(first, Record)
        assert isinstance(second, Record)
        assert {**first.item} == {**LINE, "idempotencyKey": first.item["idempotencyKey"]}
        assert first.item["idempotencyKey"].endswith(":1")
        assert second.item["idempotencyKey"] == first.item["idempotencyKey"][:-1] + "2"
        assert second.where == "line 3"

    def test_a_key_of_its_own_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ndjson"
        path.write_text(json.dumps({**LINE, "idempotencyKey": "mine"}))

        (record,) = records(path)

        assert isinstance(record, Record)
        assert record.item["idempotencyKey"] == "mine"

    def test_keys_do_not_depend_on_what_stands_around(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ndjson"
        path.write_text(json.dumps(LINE))
        (alone,) = records(path)
        path.write_text("{}\n" + json.dumps(LINE) + "\n{}")

        assert records(path)[1].item == alone.item  # type: ignore[union-attr]

    def test_bad_lines_are_named_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ndjson"
        path.write_bytes(b'{"a":1,"a":2}\n[1]\n\xff\n' + json.dumps(LINE).encode())

        found = records(path)

        assert [each.where for each in found] == ["line 1", "line 2", "line 3", "line 4"]
        assert [isinstance(each, Unreadable) for each in found] == [True, True, True, False]

    def test_stdin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(LINE).encode())))
        importer = NdjsonFile()

        assert (importer.total("-"), importer.fingerprint("-")) == (None, None)
        assert len(list(importer.records("-"))) == 1

    def test_a_missing_file_is_a_bad_source(self, tmp_path: Path) -> None:
        with pytest.raises(BadSource, match="No such file"):
            NdjsonFile().total(str(tmp_path / "none"))
