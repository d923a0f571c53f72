"""JSON values and texts for the property tests, good and hostile."""

from hypothesis import strategies as st

SAFE = 2**53 - 1

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
floats = st.floats(min_value=-SAFE, max_value=SAFE, allow_nan=False)
scalars = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | floats | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)

FRAGMENTS = [
    *'{}[],:"',
    *[" ", "\n", "\t", "\r", "\x0b", "\ufeff", "\x00", "\x1f", "\x7f", "\u2028", "é", "😀"],
    *["true", "false", "null", "nul", "NaN", "Infinity", "-Infinity", "/*", "//", "'"],
    *["0", "-0", "1", "-1", "01", "1.5", "1.", ".5", "1e5", "1E+5", "1e", "1e400", "-1e400", "1e-400", "+1"],
    *["9007199254740991", "9007199254740992", "-9007199254740993", "9007199254740991.5", "1e20", "1e21"],
    *['"a"', '"b"', '"\\u0061"', '"a b"', '"":', '"a":', '"\\u0061":1', '{"a":1}', "[1]", "[]", "{}"],
    *['"\\u0000"', '"\\\\u0000"', '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\ud800\\u0041"'],
    *["\\", '\\"', "\\n", "\\x", "\\u12", "\\u00zz", "\\/", '"a,1234567890123456789,"'],
]
BYTES = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xc3"]

hostile = st.lists(st.sampled_from([fragment.encode() for fragment in FRAGMENTS] + BYTES), max_size=12).map(b"".join)
