import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.strict import (
    Malformed,
    read_base64,
    read_decimal,
    read_hash,
    read_lines,
    read_text,
    write_base64,
)


class Refusal(Malformed):
    pass


class TestBase64:
    @given(st.binary(max_size=40))
    def test_reads_back(self, value: bytes) -> None:
        assert write_base64(value) == base64.b64encode(value).decode()
        assert read_base64(write_base64(value), "It", Refusal) == value

    @given(st.text("ABab01+/=-_ \n", max_size=9) | st.text(max_size=9))
    def test_has_one_spelling(self, text: str) -> None:
        try:
            value = read_base64(text, "It", Refusal)
        except Refusal:
            return
        assert write_base64(value) == text

    @pytest.mark.parametrize("text", ["Q", "QQ", "QQ=", "QR==", "QQ==\n", "Q Q==", "QQ==QQ==", "-_==", "é", "\ud800"])
    def test_other_spellings(self, text: str) -> None:
        with pytest.raises(Refusal, match=r"^It is not base64"):
            read_base64(text, "It", Refusal)

    def test_a_hash_has_32_bytes(self) -> None:
        assert read_hash(write_base64(bytes(32)), "It", Refusal) == bytes(32)
        for size in (0, 31, 33):
            with pytest.raises(Refusal, match=f"It has {size} bytes"):
                read_hash(write_base64(bytes(size)), "It", Refusal)


class TestDecimal:
    @given(st.integers(0, 2**63 - 1))
    def test_reads_back(self, value: int) -> None:
        assert read_decimal(str(value), "It", Refusal) == value

    @pytest.mark.parametrize(
        "text", ["", "-0", "+1", "00", "01", "1 ", "1\n", "1.", "1_0", "٣", "²", "9" * 5000, "9223372036854775808"]
    )
    def test_other_spellings(self, text: str) -> None:
        with pytest.raises(Refusal, match=r"^It is not a decimal"):
            read_decimal(text, "It", Refusal)


class TestText:
    def test_takes_text_and_bytes(self) -> None:
        assert read_text("é—😀\n", "It", Refusal) == read_text("é—😀\n".encode(), "It", Refusal) == "é—😀\n"

    @pytest.mark.parametrize("data", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", "\ud800"])
    def test_not_utf_8(self, data: bytes | str) -> None:
        with pytest.raises(Refusal, match="It is not UTF-8"):
            read_text(data, "It", Refusal)

    @pytest.mark.parametrize("code", [*range(10), *range(11, 32)])
    def test_control_characters(self, code: int) -> None:
        with pytest.raises(Refusal, match=rf"U\+{code:04X}"):
            read_text(f"a{chr(code)}b", "It", Refusal)

    def test_lines(self) -> None:
        assert read_lines("a\n\nb\u2028c\n", "It", Refusal) == ["a", "", "b\u2028c"]
        for text in ("", "a", "a\nb"):
            with pytest.raises(Refusal, match="newline"):
                read_lines(text, "It", Refusal)
