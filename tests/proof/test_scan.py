import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import admit
from provenance.proof.scan import TooManyMembers, scan

from .documents import hostile, texts, values


def accepts(data: bytes, max_depth: int = 64) -> bool:
    try:
        scan(data, max_depth)
    except BadJson:
        return False
    return True


def admits(data: bytes, max_depth: int = 64) -> bool:
    try:
        admit(data, max_depth=max_depth)
    except BadJson:
        return False
    return True


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good text with a few bytes changed, taken out or put in."""
    data = bytearray(json.dumps(draw(values), ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2) | hostile)
    return bytes(data)


@st.composite
def misplaced(draw: st.DrawFn) -> tuple[bytes, str, str]:
    """A good value with one fault put at a known place: the text, the code, the path."""
    fault, code = draw(
        st.sampled_from(
            [
                ("\\ud800", "lone_surrogate"),
                ("x\\u0000", "nul_character"),
                ("\udcff", "invalid_utf8"),
                ("1e999", "number_out_of_range"),
                ("9007199254740993", "unsafe_integer"),
                ("?", "invalid_json"),
            ]
        )
    )
    text = f'"{fault}"' if code in {"lone_surrogate", "nul_character", "invalid_utf8"} else fault
    path = ""
    for step in draw(st.lists(st.integers(0, 3) | st.sampled_from(["a", "_b-2", "name"]), max_size=6)):
        if isinstance(step, int):
            before = ",".join(json.dumps(draw(values)) for _ in range(step))
            text, path = f"[{before}{',' if step else ''}{text},1]", f"[{step}]{path}"
        else:
            text = f'{{"before":{json.dumps(draw(values))}, "{step}":{text}}}'
            path = f".{step}{path}"
    return text.encode("utf-8", "surrogateescape"), code, path.removeprefix(".") or "$"


class TestScan:
    @settings(max_examples=500)
    @given(st.one_of(hostile, damaged(), st.binary(max_size=20)), st.sampled_from([1, 2, 3, 64]))
    def test_accepts_exactly_what_admit_accepts(self, data: bytes, max_depth: int) -> None:
        assert accepts(data, max_depth) == admits(data, max_depth)

    @given(values)
    def test_accepts_every_good_text(self, value: object) -> None:
        assert accepts(json.dumps(value).encode())
        assert accepts(json.dumps(value, ensure_ascii=False, indent=2).encode())

    @given(misplaced())
    def test_names_the_place(self, fault: tuple[bytes, str, str]) -> None:
        data, code, path = fault
        with pytest.raises(BadJson) as caught:
            scan(data, 64)
        assert (caught.value.code, caught.value.path) == (code, path)

    @given(texts, st.lists(texts, max_size=4, unique=True))
    def test_finds_a_key_given_twice_in_any_spelling(self, name: str, others: list[str]) -> None:
        names = [name, *[other for other in others if other != name], name]
        members = [json.dumps(each, ensure_ascii=at == 0) + ":1" for at, each in enumerate(names)]
        with pytest.raises(BadJson) as caught:
            scan(f"{{{','.join(members)}}}".encode(), 64)
        assert caught.value.code == "duplicate_key"

    def test_the_same_key_in_two_objects_is_no_fault(self) -> None:
        assert accepts(b'[{"a":{"a":1}},{"a":2}]')

    def test_a_budget(self) -> None:
        scan(b'[1,2,{"a":3}]', 64, max_members=4)
        with pytest.raises(TooManyMembers):
            scan(b'[1,2,{"a":3}]', 64, max_members=3)

    def test_sentences_for_people(self) -> None:
        for data, sentence in [
            (b"[1 2]", "Unexpected '2' at byte 3, where ',' or ']' should be."),
            (b"{a:1}", "Unexpected 'a' at byte 1, where a key in double quotes should be."),
            (b'{"a"}', "Unexpected '}' at byte 4, where ':' should be."),
            (b'["a', "The string that begins at byte 1 does not end."),
            (b'["\x01"]', "Unexpected byte 0x01 at byte 2, where an escape such as \\n should be."),
            (b"[", "The text ends at byte 1, where a value should be."),
            (b'{"a":1,"a":1}', "This key appears twice in the same object."),
        ]:
            with pytest.raises(BadJson) as caught:
                scan(data, 64)
            assert caught.value.issue == sentence
