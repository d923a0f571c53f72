"""The functions beside the standard ones: what they give, what they refuse, and that nothing ends the process."""

import contextlib
import gc
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.expressions import (
    Evaluator,
    ExpressionError,
    InvalidExpression,
    Type,
    compile_condition,
    compile_expression,
)
from provenance.expressions.durations import Length, moved, read_length, read_moment
from tests.expressions.test_expression import json_values

VARIABLES = {"x": Type.ANY, "at": Type.TIMESTAMP, "age": Type.DURATION}
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def value(source: str, **values: Any) -> Any:
    return compile_expression(source, VARIABLES).value(values)


def fails(source: str, **values: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        value(source, **values)
    return caught.value.issue


def refused(source: str) -> InvalidExpression:
    with pytest.raises(InvalidExpression) as caught:
        compile_expression(source, VARIABLES)
    return caught.value


class TestCoalesce:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("coalesce(x.a, x.b, 3)", 3),
            ("coalesce(x.c, 3)", 0),
            ("coalesce(x.?nothing.orValue(null), x.d)", ""),
            ("coalesce(x.a)", None),
            ("coalesce(null, [1, null])", [1, None]),
            ("coalesce(x.a, 1) + 1", 2),
        ],
    )
    def test_is_the_first_that_is_not_null(self, source: str, expected: Any) -> None:
        assert value(source, x={"a": None, "b": None, "c": 0, "d": ""}) == expected

    def test_what_is_not_there_is_an_error_all_the_same(self) -> None:
        assert "nothing" in fails("coalesce(x.nothing, 1)", x={})

    def test_takes_one_to_eight(self) -> None:
        assert value(f"coalesce({', '.join(['null'] * 7)}, 8)") == 8
        assert refused("coalesce()").code == "unknown_name"
        assert refused(f"coalesce({', '.join(['null'] * 9)})").code == "unknown_name"


class TestJson:
    @given(json_values)
    def test_there_and_back(self, given: Any) -> None:
        text = value("toJson(x)", x=given)
        assert json.loads(text) == given
        assert value("parseJson(x)", x=text) == given
        assert value("parseJson(toJson(x)) == x", x=given) is True

    def test_equal_values_give_equal_texts(self) -> None:
        one = value("toJson(x)", x={"b": 750.0, "a": [1.5, None]})
        assert one == value("toJson({'a': [1.5, null], 'b': 375.0 * 2.0})") == '{"a":[1.5,null],"b":750}'
        assert value("toJson(x)", x='é"\n') == '"é\\"\\n"'

    def test_other_kinds_are_written_as_results_are(self) -> None:
        given = {"at": AT, "age": timedelta(seconds=90)}
        assert value("toJson([at, age, b'ab', 1u])", **given) == '["2026-01-31T12:00:00Z","90s","YWI=",1]'

    @pytest.mark.parametrize(
        ("source", "word"),
        [
            ("toJson(1.0 / 0.0)", "infinite"),
            ("toJson({1: 2})", "name"),
            ("toJson(type(1))", "type"),
            ("parseJson('[1')", "parseJson"),
            ("parseJson('')", "parseJson"),
            ("parseJson(x + x)", "at most 1048576 bytes"),
            ("parseJson('\"\\\\u0000\"')", "U+0000"),
            ("toJson([x, x])", "at most 1048576 bytes"),
            ("toJson(toJson(toJson(toJson(toJson(toJson(toJson([x])))))))", "at most 1048576 bytes"),
        ],
    )
    def test_what_it_cannot_hold(self, source: str, word: str) -> None:
        assert word in fails(source, x='"' * 600_000)

    def test_a_bottomless_text(self) -> None:
        assert "parseJson" in fails("parseJson(x)", x="[" * 400_000)

    def test_an_integer_beyond_64_bits_is_a_double(self) -> None:
        assert value("type(parseJson('123456789012345678901')) == double") is True
        assert value("parseJson('9223372036854775807') == 9223372036854775807") is True

    def test_numbers_are_read_as_everywhere(self) -> None:
        assert value("parseJson('[750, 750.0, 7.5e2]').all(n, type(n) == int && n == 750)") is True


class TestSha256:
    @given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
    def test_of_a_text_is_that_of_its_utf8(self, text: str) -> None:
        expected = hashlib.sha256(text.encode()).hexdigest()
        assert value("sha256(x)", x=text) == value("sha256(bytes(x))", x=text) == expected

    def test_of_anything_else_is_refused(self) -> None:
        assert refused("sha256(1)").issue == "'sha256' cannot be applied to (int)"
        assert "sha256" in fails("sha256(x)", x=[1])


class TestAddDuration:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("addDuration(at, 'P1M')", "2026-02-28T12:00:00Z"),
            ("addDuration(at, '-P1Y1M')", "2024-12-31T12:00:00Z"),
            ("addDuration(at, 'P1W2DT3H4M5S')", "2026-02-09T15:04:05Z"),
            ("addDuration(at, duration('90m'))", "2026-01-31T13:30:00Z"),
            ("addDuration(at, age)", "2026-01-31T12:01:30Z"),
            ("addDuration('2026-01-31T12:00:00+02:00', '1h30m')", "2026-01-31T11:30:00Z"),
            ("addDuration(x.at, x.by)", "2026-01-31T12:00:00.500000Z"),
            ("addDuration(at, 'P1D') > at", True),
        ],
    )
    def test_moves_a_moment(self, source: str, expected: Any) -> None:
        given = {"at": AT, "age": timedelta(seconds=90), "x": {"at": "2026-01-31T12:00:00Z", "by": "500ms"}}
        assert value(source, **given) == expected

    @pytest.mark.parametrize(
        "length", ["", "P", "PT", "1", "P1H", "1h1", "P1DT", "--1s", "P1.5D", "١s", "9" * 99 + "s"]
    )
    def test_what_is_no_duration(self, length: str) -> None:
        assert "no duration" in fails("addDuration(at, x)", at=AT, x=length)

    @pytest.mark.parametrize("moment", ["", "2026-01-31", "2026-01-31T12:00:00", "soon", "2026-02-30T00:00:00Z"])
    def test_what_is_no_moment(self, moment: str) -> None:
        assert "no moment" in fails("addDuration(x, 'P1D')", x=moment)

    @pytest.mark.parametrize("length", ["P9999Y", "-P9999Y", "-P999999M", "999999999999s", "P9999999D"])
    def test_the_years_end(self, length: str) -> None:
        assert "1 to 9999" in fails("addDuration(at, x)", at=AT, x=length)

    @given(st.integers(0, 2**32).map(lambda n: datetime.fromtimestamp(n, UTC)), st.integers(-999, 999))
    def test_a_month_later_is_the_same_day_or_the_last(self, at: datetime, months: int) -> None:
        later = moved(at, Length(months, timedelta()))
        assert (later.year - at.year) * 12 + later.month - at.month == months
        assert later.day == at.day or (later + timedelta(days=1)).day == 1

    @given(st.integers(0, 9999), st.integers(0, 99), st.integers(0, 99))
    def test_both_ways_of_writing_agree(self, hours: int, minutes: int, seconds: int) -> None:
        iso, plain = f"PT{hours}H{minutes}M{seconds}S", f"{hours}h{minutes}m{seconds}s"
        assert read_length(iso) == read_length(plain)

    def test_a_moment_is_read_in_utc(self) -> None:
        assert read_moment("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


class TestOptionals:
    """A function of ours that is handed an optional value would end the process: none ever is."""

    @pytest.mark.parametrize(
        "source",
        [
            "toJson(x.?q)",
            "toJson(dyn(x.?q))",
            "coalesce(x.?q, 1)",
            "[dyn(x.?q)].map(i, toJson(i))",
            "toJson(x.?q.orValue(x.?r))",
            "toJson({'q': x.?q})",
            "toJson(true ? x.?a : x.?q)",
            "toJson(optional.of(x.?a).value())",
            "toJson(x.?a.or(optional.of([x.?q])).orValue(1))",
            "toJson([1].first())",
            "x.?a.optMap(v, x.?b).hasValue() && toJson(x) == ''",
        ],
    )
    def test_is_refused_unless_it_is_unwrapped(self, source: str) -> None:
        error = refused(source)
        assert (error.code, "orValue" in error.issue) == ("type_error", True)

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("toJson(x.?q.orValue(3))", "3"),
            ("toJson({?'q': x.?q, ?'a': x.?a, 'b': 2})", '{"a":1,"b":2}'),
            ("toJson([?x.?q, ?x.?a, 3])", "[1,3]"),
            ("toJson((true ? x.?a : x.?q).or(optional.of(2)).orValue(1))", "1"),
            ("x.?l.optMap(v, toJson(v)).orValue('n')", "[1]"),
            ("x.?a.hasValue() && toJson(x.a) == '1'", True),
            ("toJson(x.?l[0].orValue(2))", "1"),
        ],
    )
    def test_is_fine_when_it_is(self, source: str, expected: Any) -> None:
        assert value(source, x={"a": 1, "l": [1]}) == expected

    def test_messages_are_not_available(self) -> None:
        assert refused("google.protobuf.Int64Value{value: 3}").code == "type_error"


class TestWhereTheyGo:
    def test_a_few_are_bounded_many_are_not(self) -> None:
        assert compile_expression("sha256(toJson(x))", VARIABLES).bounded
        assert not compile_expression(" + ".join(["sha256(x)"] * 9), VARIABLES).bounded
        assert compile_condition("parseJson(x).a == 1", VARIABLES).holds({"x": '{"a": 1}'})
        with pytest.raises(InvalidExpression):
            compile_condition(" + ".join(["sha256(x)"] * 9) + " == ''", VARIABLES)

    async def test_in_a_process_of_their_own_they_give_the_same(self) -> None:
        evaluator = Evaluator(1)
        found = compile_expression("x.map(i, sha256(toJson(coalesce(i.a, parseJson('[1]')))))", VARIABLES)
        given = {"x": [{"a": None}, {"a": 1}]}
        try:
            assert await evaluator.value(found, given) == found.value(given)
        finally:
            await evaluator.close()

    def test_an_error_beside_the_answer_does_not_matter(self) -> None:
        assert value("parseJson('{') == 1 || true") is True

    def test_nulls_through_them_take_nothing_from_the_interpreter(self) -> None:
        found = compile_expression("coalesce(x.a, parseJson('[null]'), x) == null || toJson(x) == ''", VARIABLES)
        gc.collect()
        before = sys.getrefcount(None)
        for _ in range(2000):
            found.value({"x": {"a": None, "b": [None] * 5}})
        assert before - sys.getrefcount(None) < 500


PIECES = ["coalesce(", "toJson(", "parseJson(", "sha256(", "addDuration(", "x", ".?a", ".orValue(", ")", ", ", "[", "]"]
PIECES += [
    "'P1D'",
    "null",
    ".map(i, ",
    "i",
    "optional.of(",
    "optional.none()",
    "dyn(",
    "{'a': ",
    "{?'a': ",
    "}",
    "at",
    "?",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.sampled_from([None, 1, "[1]", {"a": {"a": 1}}]))
def test_no_text_ends_the_process(source: str, given: Any) -> None:
    with contextlib.suppress(InvalidExpression, ExpressionError):
        value(source, x=given, at=AT)
