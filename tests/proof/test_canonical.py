import contextlib
import json
import math
import struct
import time

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jcs_admit import JcsError, admit_with

from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import admit, canonical, canonical_string, is_canonical

from .documents import SAFE, hostile, texts, values

RFC_8785_SECTION_3_2_2 = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
RFC_8785_SECTION_3_2_3 = rb"""{
  "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
RFC_8785_APPENDIX_B = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("433fffffffffffff", "9007199254740991"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
]


def refused(data: bytes, **options: object) -> BadJson:
    with pytest.raises(BadJson) as caught:
        admit(data, **options)  # type: ignore[arg-type]
    return caught.value


class TestAdmit:
    def test_the_example_of_the_rfc_without_its_unsafe_number(self) -> None:
        expected = (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        )
        assert admit(RFC_8785_SECTION_3_2_2.replace(b" 1E30,", b"")) == expected.encode()
        assert refused(RFC_8785_SECTION_3_2_2).path == "numbers[1]"

    def test_the_key_order_of_the_rfc(self) -> None:
        text = json.loads(admit(RFC_8785_SECTION_3_2_3))
        assert [*text] == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]

    @pytest.mark.parametrize(("bits", "written"), RFC_8785_APPENDIX_B)
    def test_the_numbers_of_the_rfc(self, bits: str, written: str) -> None:
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        assert admit(repr(number).encode()) == written.encode()

    @given(values)
    def test_any_value_reads_as_the_oracle_writes_it(self, value: object) -> None:
        for style in ({}, {"indent": 1}, {"ensure_ascii": False}):
            assert admit(json.dumps(value, **style).encode()) == rfc8785.dumps(value)  # type: ignore[arg-type]

    @given(values)
    def test_the_form_is_stable(self, value: object) -> None:
        text = admit(json.dumps(value).encode())
        assert admit(text) == text

    @pytest.mark.parametrize(
        ("data", "code", "path"),
        [
            (b"", "invalid_json", "$"),
            (b'{"a":[1,]}', "invalid_json", "a[1]"),
            (b'{"a":1 "b":2}', "invalid_json", "$"),
            (b'{"a":1} x', "invalid_json", "$"),
            (b"\xef\xbb\xbf{}", "invalid_json", "$"),
            (b'{"a":"\n"}', "invalid_json", "a"),
            (b'{"a":"\\x"}', "invalid_json", "a"),
            (b'["a', "invalid_json", "[0]"),
            (
                b'{"interaction":{"items":[0,1,2,{"name":"\\ud83d"}]}}',
                "lone_surrogate",
                "interaction.items[3].name",
            ),
            (b'{"\\udc00":1}', "lone_surrogate", '["\\udc00"]'),
            (b'{"a":1,"b":{"c":1,"\\u0063":2}}', "duplicate_key", "b.c"),
            (b'{"a":"x\\u0000"}', "nul_character", "a"),
            (b'{"a":"\\\\\\u0000"}', "nul_character", "a"),
            (b'{"a b":{"\\u0000":1}}', "nul_character", '["a b"]["\\u0000"]'),
            (b'["\xff"]', "invalid_utf8", "[0]"),
            (b'["\xed\xa0\x80"]', "invalid_utf8", "[0]"),
            (b'["\xc0\x80"]', "invalid_utf8", "[0]"),
            (b"[1e400]", "number_out_of_range", "[0]"),
            (b"[NaN]", "number_out_of_range", "[0]"),
            (b'{"a":{"b":-Infinity}}', "number_out_of_range", "a.b"),
            (b"[9007199254740992]", "unsafe_integer", "[0]"),
            (b"[-9007199254740992]", "unsafe_integer", "[0]"),
            (b"1e20", "unsafe_integer", "$"),
            (b'{"a":1.5e300}', "unsafe_integer", "a"),
        ],
    )
    def test_a_refusal_names_what_and_where(self, data: bytes, code: str, path: str) -> None:
        error = refused(data)
        assert (error.code, error.path) == (code, path)

    @pytest.mark.parametrize(
        "number",
        [
            *["9007199254740991.5", "-9007199254740991.5", "900719925474099.25e1", "12345678901234567890.5"],
            *["123456789012345678905e-1", "123456789012345678901234.5", "9007199254740992." + "0" * 30 + "1"],
        ],
    )
    def test_a_fraction_that_rounds_to_an_unsafe_integer(self, number: str) -> None:
        for text, path in ((number, "$"), (f'{{"a":[{number}]}}', "a[0]"), (f'{{"a":{number}}}', "a")):
            error = refused(text.encode())
            assert (error.code, error.path) == ("unsafe_integer", path)

    @settings(max_examples=500)
    @given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
    def test_a_number_is_admitted_by_its_double_alone(self, number: str) -> None:
        for text in (number, f"[{number}]", f'{{"a":{number},"b":"x"}}'):
            try:
                admitted = json.loads(admit(text.encode())) == json.loads(text)
            except BadJson:
                admitted = False
            assert admitted is (abs(float(number)) <= SAFE)

    @pytest.mark.parametrize(
        "text",
        [
            *["9007199254740991", "-9007199254740991", "1000000000000000.5", "0.12345678901234566", "1e-7"],
            *['"9007199254740993"', '["a,9007199254740993,","1e+21,"]', '{"9007199254740993":"e+0"}'],
            *['"\\\\u0000"', '"\\\\\\\\u0000"', '"\\u001f\x7f\u2028\ufffe😀"', '{"":null,"__proto__":[]}'],
        ],
    )
    def test_what_only_looks_bad(self, text: str) -> None:
        assert admit(text.encode()) == text.encode()

    def test_what_is_written_otherwise_but_equal(self) -> None:
        assert admit(b" [ -0, -0.0, 0e5, 7.5e2, 750.0, 1e-400 ] ") == b"[0,0,0,750,750,0]"
        assert admit(b'"\\/\\u00e9\\ud83d\\ude00"') == '"/é😀"'.encode()

    @pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_depth(self, opened: bytes, closed: bytes) -> None:
        assert admit(opened * 64 + b"1" + closed * 64)
        error = refused(opened * 65 + b"1" + closed * 65)
        assert error.code == "too_deep"
        assert "64" in error.issue
        assert refused(opened * 100_000).code == "too_deep"
        assert admit(opened * 3 + b"1" + closed * 3, max_depth=3)
        assert refused(opened * 4 + b"1" + closed * 4, max_depth=3).code == "too_deep"

    def test_the_path_starts_where_the_text_stands(self) -> None:
        assert refused(b'{"a":[NaN]}', at="items[7].interaction").path == "items[7].interaction.a[0]"
        assert refused(b"NaN", at="interaction").path == "interaction"

    def test_a_long_text_is_never_repeated(self) -> None:
        key = b"k" * 10_000
        for data in (
            b'{"%b":1,"%b":2}' % (key, key),
            b"[1%b]" % (b"0" * 10_000),
            b'{"%b":{"%b":NaN}}' % (key, key),
        ):
            assert len(str(refused(data))) < 400
        deep = b'{"%b":' % key[:79]
        assert refused(deep * 60 + b"NaN").path.startswith("…")

    def test_a_place_too_far_inside_is_left_out_but_not_the_reason(self) -> None:
        many = b"[" + b"1," * 100_000
        for fault, code in (
            (b'"\\u0000"', "nul_character"),
            (b"1e400", "unsafe_integer"),
            (b"9007199254740991.5", "unsafe_integer"),
            (b"x", "invalid_json"),
            (b'{"a":1,"a":2}', "duplicate_key"),
        ):
            error = refused(many + fault + b"]")
            assert (error.code, error.path) == (code, "$")

    def test_hostile_texts_cost_little(self) -> None:
        size = 1 << 18
        texts = [
            b"[" + b"1," * (size // 2),
            b'["' + b"\\" * size,
            b'"' + b"\\\\u0000" * (size // 7) + b'\\u0000"',
            b"[" + b'"9999999999999999,",' * (size // 20) + b"0.1]",
            b"{" + b",".join(b'"k%d":1' % number for number in range(size // 9)) + b"}",
            b"1" * size,
        ]
        begun = time.process_time()
        for text in texts:
            with contextlib.suppress(BadJson):
                admit(text)
        assert time.process_time() - begun < 5

    @given(hostile)
    def test_an_admitted_text_means_the_same_to_another_reader(self, data: bytes) -> None:
        try:
            text = admit(data)
        except BadJson:
            return
        assert rfc8785.dumps(json.loads(data)) == text


NUMBERS = [
    "0", "-0", "1", "9007199254740991", "9007199254740992", "1.5", "1.0", "-0.0", "1e2", "1E-7", "123.45", "0.00001",
    "0.0001", "1e15", "999999999999998.5", "0.30000000000000004", "1.10",
]  # fmt: skip
plain = st.recursive(
    st.sampled_from([*NUMBERS, "true", "null", '""', '"a:b,1.0}"', '"e+0"', '"0000000000000000,"', '"\x7f"', '"~!"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from("abA_0"), inner), max_size=3).map(
            lambda items: "{" + ",".join(f'"{name}":{value}' for name, value in items) + "}"
        ),
    ),
    max_leaves=8,
)


class TestPlainTexts:
    """Those that `admit` may take another way: names twice, unsorted, numbers of every spelling, no escapes."""

    @settings(max_examples=500)
    @given(plain)
    def test_are_admitted_as_the_library_admits_them(self, text: str) -> None:
        try:
            expected = admit_with(text.encode(), max_depth=64, max_bytes=None, safe_integers=True)
        except JcsError:
            assert refused(text.encode())
            return
        assert admit(text.encode()) == expected

    @pytest.mark.parametrize("text", ['{"a":1,"b":{"a":1,"a":2}}', '{"a":1 , "a" :12345}', '{"":":","":0}'])
    def test_with_a_name_twice_are_refused(self, text: str) -> None:
        assert refused(text.encode()).code == "duplicate_key"


class TestCanonical:
    @given(values)
    def test_as_the_oracle(self, value: object) -> None:
        assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("value", "code", "path"),
        [
            ({"a": [math.nan]}, "number_out_of_range", "a[0]"),
            ({"a": -math.inf}, "number_out_of_range", "a"),
            ({"a": 2**53}, "unsafe_integer", "a"),
            ([1e22], "unsafe_integer", "[0]"),
            ({"a": "\ud800"}, "lone_surrogate", "a"),
            ({"a": "\x00"}, "nul_character", "a"),
        ],
    )
    def test_refusals(self, value: object, code: str, path: str) -> None:
        with pytest.raises(BadJson) as caught:
            canonical(value)
        assert (caught.value.code, caught.value.path) == (code, path)

    def test_a_tuple_is_an_array(self) -> None:
        assert canonical({"b": (1, 2), "a": ()}) == b'{"a":[],"b":[1,2]}'

    def test_keys_are_never_made_text(self) -> None:
        for value in ({1: 2}, [{"a": ({None: 1},)}], {"a": {True: 1}}):
            with pytest.raises(TypeError):
                canonical(value)

    def test_other_types_are_refused(self) -> None:
        with pytest.raises(TypeError):
            canonical({"a": b"bytes"})

    def test_a_bottomless_value(self) -> None:
        value: list[object] = []
        for _ in range(100_000):
            value = [value]
        with pytest.raises(BadJson) as caught:
            canonical(value)
        assert caught.value.code == "too_deep"
        value = []
        value.append(value)
        with pytest.raises(ValueError, match="Circular"):
            canonical(value)


class TestCanonicalString:
    @given(texts)
    @example("\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80\"\\/'<>&\u2028\u2029\ufeff\uffff😀")
    def test_as_the_oracle(self, text: str) -> None:
        assert canonical_string(text) == rfc8785.dumps(text)

    def test_every_character_of_the_basic_plane(self) -> None:
        text = "".join(chr(point) for point in range(1, 0x10000) if not 0xD800 <= point < 0xE000)
        assert canonical_string(text) == rfc8785.dumps(text)

    @pytest.mark.parametrize(("text", "code"), [("a\x00", "nul_character"), ("a\udc00b", "lone_surrogate")])
    def test_refusals(self, text: str, code: str) -> None:
        with pytest.raises(BadJson) as caught:
            canonical_string(text)
        assert caught.value.code == code

    def test_a_backslash_before_u0000_is_no_nul(self) -> None:
        assert canonical_string("\\u0000") == b'"\\\\u0000"'


class TestIsCanonical:
    @given(st.one_of(hostile, values.map(lambda value: json.dumps(value).encode())))
    def test_is_a_fixed_point_of_admit(self, data: bytes) -> None:
        try:
            expected = admit(data) == data
        except BadJson:
            expected = False
        assert is_canonical(data) is expected

    def test_examples(self) -> None:
        assert is_canonical(b'{"a":1,"b":2}')
        assert not is_canonical(b'{"b":1,"a":2}')
        assert not is_canonical(b'{"a":1.0}')
        assert not is_canonical(b"x")
