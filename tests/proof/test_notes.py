import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.notes import (
    COSIGNATURE_V1,
    MAX_SIGNATURES,
    MalformedKey,
    MalformedNote,
    Note,
    Signature,
    Signer,
    UnverifiedNote,
    VerifierKey,
    sign,
    verify,
)

from .vectors import (
    ENOCH_KEY,
    ENOCH_LINE,
    EXAMPLE_KEY,
    EXAMPLE_NOTE,
    GO_TEXT,
    PETER_KEY,
    PETER_LINE,
    PETER_SEED,
    STAGING,
    STAGING_KEY,
    WITNESSES,
)

names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)
line_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
note_texts = st.lists(line_texts, min_size=1, max_size=6).map(lambda lines: "\n".join(lines) + "\n")
seeds = st.binary(min_size=32, max_size=32)


def signer(name: str = "a.example/log", seed: bytes = bytes(32)) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(seed))


def keys(*texts: str) -> list[VerifierKey]:
    return [VerifierKey.parse(text) for text in texts]


class TestVectors:
    def test_example_of_the_specification(self) -> None:
        note = Note.parse(EXAMPLE_NOTE)
        assert note.text == "This is an example message.\n"
        assert [key.name for key in verify(note, keys(EXAMPLE_KEY))] == ["example.com/foo"]
        assert str(note) == EXAMPLE_NOTE

    def test_notes_of_another_implementation(self) -> None:
        note = Note.parse(GO_TEXT + "\n" + PETER_LINE + ENOCH_LINE)
        both = keys(ENOCH_KEY, PETER_KEY)
        assert [key.name for key in verify(note, both)] == ["PeterNeumann", "EnochRoot"]
        assert verify(note, both[:1]) == (both[0],)

    def test_signs_the_same_bytes(self) -> None:
        peter = signer("PeterNeumann", base64.b64decode(PETER_SEED)[1:])
        enoch = signer("EnochRoot")
        assert (str(peter.verifier), str(enoch.verifier)) == (PETER_KEY, ENOCH_KEY)
        assert str(sign(GO_TEXT, peter, enoch)) == GO_TEXT + "\n" + PETER_LINE + ENOCH_LINE

    def test_a_note_with_signatures_of_many_kinds(self) -> None:
        note = Note.parse(STAGING.encode())
        assert len(note.signatures) == 6
        assert verify(note, keys(STAGING_KEY, *WITNESSES)) == (VerifierKey.parse(STAGING_KEY),)
        with pytest.raises(UnverifiedNote):
            verify(note, keys(*WITNESSES))


class TestVerifierKey:
    @given(names, seeds, st.sampled_from([1, 4]))
    def test_reads_back(self, name: str, seed: bytes, kind: int) -> None:
        key = Signer(name, Ed25519PrivateKey.from_private_bytes(seed), kind).verifier
        assert VerifierKey.parse(str(key)) == key

    @pytest.mark.parametrize("text", [EXAMPLE_KEY, PETER_KEY, ENOCH_KEY, STAGING_KEY, *WITNESSES])
    def test_published_keys(self, text: str) -> None:
        assert str(VerifierKey.parse(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "example.com/foo",
            "example.com/foo+530d903a",
            "example.com/foo+530d903a+",
            EXAMPLE_KEY.replace("530d903a", "530d903b"),
            EXAMPLE_KEY.replace("530d903a", "530D903A"),
            EXAMPLE_KEY.replace("530d903a", "0530d903a"),
            EXAMPLE_KEY.replace("foo", "fop"),
            EXAMPLE_KEY.replace("example.com/foo", ""),
            EXAMPLE_KEY.replace("foo", "f o"),
            EXAMPLE_KEY.replace("foo", "f\u2003o"),
            EXAMPLE_KEY.replace("+Aeky", "+Aelz"),
            EXAMPLE_KEY[:-1],
            EXAMPLE_KEY + "\n",
            EXAMPLE_KEY + "A===",
            EXAMPLE_KEY.replace("3U2k", "3U=="),
            "rekor.sigstore.dev+12345678+AwEB",
            "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        ],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(MalformedKey):
            VerifierKey.parse(text)

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_key_of_another_length(self, size: int) -> None:
        with pytest.raises(MalformedKey, match=f"32 bytes, not {size}"):
            VerifierKey("a", b"\2" * size)

    def test_an_unknown_kind(self) -> None:
        with pytest.raises(MalformedKey, match="0x06"):
            VerifierKey("a", bytes([2] * 32), 6)
        for name in ("", "a b", "a+b", "a\n", "a\u00a0b", "\ud800"):
            with pytest.raises(MalformedKey):
                signer(name)

    @pytest.mark.parametrize(
        "public",
        [
            "00" * 32,
            "01" + "00" * 31,
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            *(low + "ff" * 30 + "7f" for low in ("ec", "ed", "ee")),
        ],
    )
    def test_a_key_under_which_anyone_can_sign(self, public: str) -> None:
        """Points of small order, with either sign of x; the neutral one takes one signature for every text."""
        for sign_bit in (0, 0x80):
            key = bytearray(bytes.fromhex(public))
            key[31] |= sign_bit
            with pytest.raises(MalformedKey, match="anyone can sign"):
                VerifierKey("a", bytes(key))


class TestNote:
    @given(note_texts, st.lists(st.tuples(names, st.binary(min_size=5, max_size=80)), min_size=1, max_size=4))
    def test_reads_back(self, text: str, signed: list[tuple[str, bytes]]) -> None:
        note = Note(text, tuple(Signature(name, value[:4], value[4:]) for name, value in signed))
        assert Note.parse(str(note)) == note == Note.parse(str(note).encode())

    @pytest.mark.parametrize(
        "change",
        [
            lambda note: "",
            lambda note: note[:-1],
            lambda note: note + "\n",
            lambda note: note.replace("\n\n", "\n"),
            lambda note: note.replace("\n", "\r\n"),
            lambda note: note.replace("example", "exa\tmple", 1),
            lambda note: note.replace("example", "exa\x00mple", 1),
            lambda note: note.replace("— ", "- "),
            lambda note: note.replace("— ", "—"),
            lambda note: note.replace("— ", "—  "),
            lambda note: note.replace("foo ", "foo"),
            lambda note: note.replace("foo ", "foo  "),
            lambda note: note.replace("foo ", "fo+o "),
            lambda note: note.replace("foo ", "fo\u2009o "),
            lambda note: note.replace("yaQM=", "yaQM"),
            lambda note: note.replace("yaQM=", "yaQN="),
            lambda note: note.replace("yaQM=", "yaQM= "),
            lambda note: note.replace("yaQM=", "ya-_"),
            lambda note: "text\n\n— a AAAAAA==\n",
            lambda note: note.split("\n\n")[1],
            lambda note: note + "not a signature\n",
            lambda note: note + note.split("\n\n")[1] * MAX_SIGNATURES,
            lambda note: "x" * 1_000_000 + note,
            lambda note: "é" * 500_000 + note,
        ],
    )
    def test_malformed(self, change: Callable[[str], str]) -> None:
        assert change(EXAMPLE_NOTE) != EXAMPLE_NOTE
        with pytest.raises(MalformedNote):
            Note.parse(change(EXAMPLE_NOTE))

    def test_the_largest_note(self) -> None:
        room = 1_000_000 - len(EXAMPLE_NOTE.encode())
        assert len(Note.parse("x" * room + EXAMPLE_NOTE).text) > room
        with pytest.raises(MalformedNote, match="1000000 bytes"):
            Note.parse("x" * (room + 1) + EXAMPLE_NOTE)

    def test_not_utf_8(self) -> None:
        for wrong in (EXAMPLE_NOTE.encode("utf-16"), EXAMPLE_NOTE.encode().replace(b"foo", b"\xff")):
            with pytest.raises(MalformedNote, match="UTF-8"):
                Note.parse(wrong)

    def test_the_last_blank_line_counts(self) -> None:
        inner = sign("inner\n", signer("inner"))
        outer = sign(f"{inner}\nmore\n", signer("outer"))
        assert Note.parse(str(outer)) == outer
        with pytest.raises(UnverifiedNote):
            verify(outer, [signer("inner").verifier])

    def test_takes_sixteen_signatures_and_more(self) -> None:
        note = sign("a\n", *(signer(f"key{number}") for number in range(MAX_SIGNATURES)))
        assert len(verify(Note.parse(str(note)), [signer(f"key{n}").verifier for n in range(200)])) == MAX_SIGNATURES

    def test_more_signatures(self) -> None:
        first, second = sign("a\n", signer("one")), sign("a\n", signer("two"))
        both = first.signed(second.signatures).signed(first.signatures)
        assert [line.name for line in both.signatures] == ["one", "two"]


class TestSign:
    @given(note_texts, names, seeds)
    def test_verifies(self, text: str, name: str, seed: bytes) -> None:
        by = signer(name, seed)
        assert verify(Note.parse(str(sign(text, by))), [by.verifier]) == (by.verifier,)

    def test_what_cannot_be_signed(self) -> None:
        for text in ("", "a", "a\r\n", "a\x01\n", "\ud800\n"):
            with pytest.raises(MalformedNote):
                sign(text, signer())
        with pytest.raises(ValueError, match="plain"):
            sign("a\n")
        with pytest.raises(ValueError, match="plain"):
            sign("a\n", Signer("a", signer().private, COSIGNATURE_V1))


class TestVerify:
    def test_no_byte_of_the_text_or_signature_can_change(self) -> None:
        note, known = sign("first\nsecond\n", signer()), [signer().verifier]
        text = str(note).encode()
        for place in range(len(text)):
            changed = bytearray(text)
            changed[place] ^= 1
            with pytest.raises((MalformedNote, UnverifiedNote)):
                verify(Note.parse(bytes(changed)), known)

    def test_a_key_that_shares_only_name_or_id_is_unknown(self) -> None:
        note, other = sign("a\n", signer()), signer(seed=bytes([1] * 32)).verifier
        assert note.signatures[0].name == other.name
        with pytest.raises(UnverifiedNote, match="No trusted key"):
            verify(note, [other])

    def test_one_wrong_signature_of_a_known_key_spoils_the_note(self) -> None:
        good, other = signer("good"), signer("other")
        wrong = sign("b\n", other).signatures
        note = sign("a\n", good).signed(wrong)
        assert verify(note, [good.verifier]) == (good.verifier,)
        with pytest.raises(UnverifiedNote, match="'other' does not fit"):
            verify(note, [good.verifier, other.verifier])

    def test_a_signature_of_another_length(self) -> None:
        note = sign("a\n", signer())
        short = Signature(note.signatures[0].name, note.signatures[0].key_id, bytes(12))
        with pytest.raises(UnverifiedNote, match="does not fit"):
            verify(Note("a\n", (short,)), [signer().verifier])
