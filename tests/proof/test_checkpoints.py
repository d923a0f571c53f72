import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.checkpoints import Checkpoint, MalformedCheckpoint, open_checkpoint, sign_checkpoint
from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.notes import MalformedNote, Note, Signer, UnverifiedNote, VerifierKey

from .vectors import PETER_KEY, STAGING, STAGING_KEY, STAGING_ORIGIN, STAGING_ROOT, STAGING_SIZE

# The example of c2sp.org/tlog-checkpoint.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
roots = st.binary(min_size=32, max_size=32)
LOG = Signer("a.example/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
HEAD = Checkpoint("a.example/log", 7, bytes(range(32)))


class TestCheckpoint:
    def test_example_of_the_specification(self) -> None:
        checkpoint = Checkpoint.parse(EXAMPLE)
        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.root.hex().startswith("0ac5186a91863e8e")
        assert checkpoint.extensions == ()
        assert str(checkpoint) == EXAMPLE

    @given(lines, st.integers(1, 2**63 - 1), roots, st.lists(lines, max_size=3).map(tuple))
    def test_reads_back(self, origin: str, size: int, root: bytes, extensions: tuple[str, ...]) -> None:
        checkpoint = Checkpoint(origin, size, root, extensions)
        assert Checkpoint.parse(str(checkpoint)) == checkpoint

    @pytest.mark.parametrize("size", ["", "+1", "-1", "01", "00", "1.0", "1e3", " 1", "1 ", "١", "²", "1_0", "0x1"])
    def test_strict_decimals(self, size: str) -> None:
        with pytest.raises(MalformedCheckpoint):
            Checkpoint.parse(EXAMPLE.replace("20852163", size))

    def test_sizes_beyond_what_fits(self) -> None:
        assert Checkpoint.parse(EXAMPLE.replace("20852163", str(2**63 - 1))).size == 2**63 - 1
        for size in (2**63, 10**30):
            with pytest.raises(MalformedCheckpoint, match="2\\^63"):
                Checkpoint.parse(EXAMPLE.replace("20852163", str(size)))

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "",
            lambda text: text[:-1],
            lambda text: text + "\n",
            lambda text: "\n" + text,
            lambda text: text.replace("\n", "\n\n", 1),
            lambda text: text.replace("\n", "\r\n"),
            lambda text: "\n".join(text.split("\n")[:2]) + "\n",
            lambda text: text.replace("2I=", "2I"),
            lambda text: text.replace("2I=", "2J="),
            lambda text: text.replace("/X", "_X"),
            lambda text: text.replace("CsUY", ""),
            lambda text: text.replace("CsUY", "CsUYCsUY"),
            lambda text: text + "an extension\n\n",
            lambda text: text + "an\textension\n",
        ],
    )
    def test_malformed(self, change: Callable[[str], str]) -> None:
        assert change(EXAMPLE) != EXAMPLE
        with pytest.raises(MalformedCheckpoint):
            Checkpoint.parse(change(EXAMPLE))

    def test_values_no_checkpoint_has(self) -> None:
        with pytest.raises(MalformedCheckpoint, match="-1 leaves"):
            Checkpoint("a", -1, bytes(32))
        with pytest.raises(MalformedCheckpoint, match="not 31"):
            Checkpoint("a", 1, bytes(31))
        with pytest.raises(MalformedCheckpoint, match="empty lines"):
            Checkpoint("a\n5", 1, bytes(32))

    def test_a_log_without_leaves_has_one_root(self) -> None:
        assert Checkpoint.parse(str(Checkpoint("a", 0, EMPTY_ROOT))).size == 0
        with pytest.raises(MalformedCheckpoint, match="without leaves"):
            Checkpoint("a", 0, bytes(32))


class TestOpenCheckpoint:
    def test_a_checkpoint_of_a_public_log(self) -> None:
        checkpoint = open_checkpoint(Note.parse(STAGING), [VerifierKey.parse(STAGING_KEY)])
        assert checkpoint == Checkpoint(STAGING_ORIGIN, STAGING_SIZE, base64.b64decode(STAGING_ROOT))

    def test_signed_and_opened(self) -> None:
        note = Note.parse(str(sign_checkpoint(HEAD, LOG)))
        assert open_checkpoint(note, [VerifierKey.parse(PETER_KEY), LOG.verifier]) == HEAD

    def test_no_byte_can_change(self) -> None:
        text = str(sign_checkpoint(HEAD, LOG)).encode()
        for place in range(len(text)):
            for bit in (1, 0x80):
                changed = bytearray(text)
                changed[place] ^= bit
                with pytest.raises((MalformedNote, MalformedCheckpoint, UnverifiedNote)):
                    open_checkpoint(Note.parse(bytes(changed)), [LOG.verifier])

    def test_a_log_does_not_speak_for_another(self) -> None:
        other = Checkpoint("another.example/log", 7, bytes(32))
        note = sign_checkpoint(other, LOG)
        with pytest.raises(UnverifiedNote):
            open_checkpoint(note, [LOG.verifier])
        assert open_checkpoint(note, [LOG.verifier], origin="another.example/log") == other
        with pytest.raises(UnverifiedNote, match=r"not of 'a\.example/log'"):
            open_checkpoint(note, [LOG.verifier], origin="a.example/log")

    def test_a_signed_note_that_is_no_checkpoint(self) -> None:
        note = Note.parse(str(sign_checkpoint(HEAD, LOG)).replace("\n7\n", "\n07\n"))
        with pytest.raises(MalformedCheckpoint):
            open_checkpoint(note, [LOG.verifier])
