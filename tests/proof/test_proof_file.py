from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.checkpoints import Checkpoint, MalformedCheckpoint, sign_checkpoint
from provenance.proof.merkle import InvalidProof, inclusion_proof
from provenance.proof.notes import MalformedNote, UnverifiedNote, sign
from provenance.proof.proof_file import MalformedProof, ProofFile
from provenance.proof.strict import Malformed

from .logs import LEAVES, LOG, SIZE, head
from .vectors import STAGING

# The example of c2sp.org/tlog-proof, whose signatures are abridged there; those of another note stand in.
EXAMPLE = f"""\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

{STAGING}"""

hashes = st.binary(min_size=32, max_size=32)


def proof(index: int = 4, size: int = SIZE) -> ProofFile:
    return ProofFile(index, tuple(inclusion_proof(LEAVES[:size], index)), head(size))


class TestProofFile:
    def test_example_of_the_specification(self) -> None:
        read = ProofFile.parse(EXAMPLE)
        assert (read.index, len(read.path), read.path[0][:2].hex()) == (73894, 5, "8122")
        assert (read.extra or b"").startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
        assert str(read.note) == STAGING
        assert str(read) == EXAMPLE

    @given(st.integers(0, 2**63 - 1), st.lists(hashes, max_size=63), st.none() | st.binary(min_size=1, max_size=9))
    def test_reads_back(self, index: int, path: list[bytes], extra: bytes | None) -> None:
        written = ProofFile(index, tuple(path), head(), extra)
        assert ProofFile.parse(str(written)) == ProofFile.parse(str(written).encode()) == written

    def test_without_a_path(self) -> None:
        alone = ProofFile(0, (), head(1))
        assert str(alone) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{head(1)}"
        assert alone.verify(LEAVES[0], [LOG.verifier]).size == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "",
            lambda text: text.replace("@v1", "@v2"),
            lambda text: " " + text,
            lambda text: "\ufeff" + text,
            lambda text: "\n" + text,
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("index 4\n", ""),
            lambda text: text.replace("index 4", "index 04"),
            lambda text: text.replace("index 4", "index  4"),
            lambda text: text.replace("index 4", "index -4"),
            lambda text: text.replace("index 4", "index 4 "),
            lambda text: text.replace("index 4", "index " + "9" * 19),
            lambda text: text.replace("index 4", "index 4\nindex 4"),
            lambda text: text.replace("index 4", "Index 4"),
            lambda text: text.replace("index 4", "extra \nindex 4"),
            lambda text: text.replace("index 4", "extra QQ\nindex 4"),
            lambda text: text.replace("index 4", "extra QR==\nindex 4"),
            lambda text: text.replace("index 4", "extra QQ==\nextra QQ==\nindex 4"),
            lambda text: text.replace("index 4", "index 4\nQQ=="),
            lambda text: text.replace("index 4", "index 4" + ("\n" + "A" * 43 + "=") * 60),
            lambda text: text.replace("\n\n", "\n", 1),
            lambda text: text.replace("\n\n", "\n\n\n", 1),
            lambda text: text[:-1],
        ],
    )
    def test_malformed(self, change: Callable[[str], str]) -> None:
        text = str(proof())
        assert change(text) != text
        with pytest.raises(Malformed):
            ProofFile.parse(change(text)).verify(LEAVES[4], [LOG.verifier])

    def test_values_no_proof_has(self) -> None:
        for index, path, extra in ((-1, 0, None), (2**63, 0, None), (0, 64, None), (0, 0, b"")):
            with pytest.raises(MalformedProof):
                ProofFile(index, (bytes(32),) * path, head(), extra)
        with pytest.raises(MalformedProof):
            ProofFile(0, (bytes(31),), head())


class TestVerify:
    @pytest.mark.parametrize("size", [1, 2, 7, 8, SIZE])
    def test_every_leaf(self, size: int) -> None:
        for index in range(size):
            read = ProofFile.parse(str(proof(index, size)))
            assert read.verify(LEAVES[index], [LOG.verifier]) == Checkpoint.parse(head(size).text)

    def test_no_byte_can_change(self) -> None:
        text = str(proof()).encode()
        for place in range(len(text)):
            changed = bytearray(text)
            changed[place] ^= 1
            with pytest.raises((Malformed, UnverifiedNote, InvalidProof)):
                ProofFile.parse(bytes(changed)).verify(LEAVES[4], [LOG.verifier])

    def test_another_leaf_place_path_or_key(self) -> None:
        path = proof().path
        with pytest.raises(InvalidProof):
            proof().verify(LEAVES[5], [LOG.verifier])
        with pytest.raises(InvalidProof):
            ProofFile(5, path, head()).verify(LEAVES[4], [LOG.verifier])
        with pytest.raises(InvalidProof):
            ProofFile(4, path[::-1], head()).verify(LEAVES[4], [LOG.verifier])
        with pytest.raises(UnverifiedNote):
            proof().verify(LEAVES[4], [])
        with pytest.raises(UnverifiedNote):
            proof().verify(LEAVES[4], [LOG.verifier], origin="another")

    def test_a_note_that_is_no_checkpoint(self) -> None:
        with pytest.raises(MalformedCheckpoint):
            ProofFile(0, (), sign("hello\n", LOG)).verify(LEAVES[0], [LOG.verifier])
        with pytest.raises(MalformedNote):
            ProofFile.parse("c2sp.org/tlog-proof@v1\nindex 0\n\nno note\n")

    def test_the_empty_log_holds_nothing(self) -> None:
        empty = sign_checkpoint(Checkpoint.parse(head(0).text), LOG)
        with pytest.raises(InvalidProof, match="no leaf"):
            ProofFile(0, (), empty).verify(LEAVES[0], [LOG.verifier])

    def test_extra_data_is_not_vouched_for(self) -> None:
        with_extra = ProofFile(4, proof().path, head(), b"anything")
        assert ProofFile.parse(str(with_extra)).verify(LEAVES[4], [LOG.verifier]).size == SIZE
