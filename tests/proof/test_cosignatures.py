import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.checkpoints import MalformedCheckpoint, open_checkpoint
from provenance.proof.cosignatures import Cosignature, cosign, verify_cosignatures
from provenance.proof.notes import COSIGNATURE_V1, Note, Signature, Signer, UnverifiedNote, VerifierKey, sign
from provenance.proof.strict import Malformed

from .logs import LOG, head
from .vectors import STAGING, STAGING_KEY, STAGING_TIME, WITNESSES

ONE = Signer("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)), COSIGNATURE_V1)
TWO = Signer("witness.example/w2", Ed25519PrivateKey.from_private_bytes(bytes([2] * 32)), COSIGNATURE_V1)
BOTH = [ONE.verifier, TWO.verifier]
KNOWN = [VerifierKey.parse(text) for text in WITNESSES]


class TestVectors:
    def test_the_witnesses_of_a_public_log(self) -> None:
        note = Note.parse(STAGING)
        assert verify_cosignatures(note, KNOWN) == tuple(Cosignature(key, STAGING_TIME) for key in KNOWN)
        assert verify_cosignatures(note, [VerifierKey.parse(STAGING_KEY), KNOWN[2]]) == (
            Cosignature(KNOWN[2], STAGING_TIME),
        )

    @pytest.mark.parametrize("key", KNOWN, ids=lambda key: key.name)
    def test_each_refuses_another_text(self, key: VerifierKey) -> None:
        with pytest.raises(UnverifiedNote, match="does not fit the checkpoint"):
            verify_cosignatures(Note.parse(STAGING.replace("1432088532", "1432088533")), [key])


class TestCosign:
    @given(st.integers(0, 2**63 - 1))
    def test_verifies(self, time: int) -> None:
        note = head().signed([cosign(head(), ONE, time), cosign(head(), TWO, 5)])
        read = Note.parse(str(note))
        assert verify_cosignatures(read, BOTH) == (Cosignature(BOTH[0], time), Cosignature(BOTH[1], 5))
        assert open_checkpoint(read, [LOG.verifier, *BOTH]).origin == LOG.name

    def test_signs_these_very_bytes(self) -> None:
        value = cosign(head(), ONE, 1679315147).value
        assert value[:8].hex() == "00000000641850cb"
        message = b"cosignature/v1\ntime 1679315147\n" + head().text.encode()
        ONE.private.public_key().verify(value[8:], message)

    def test_what_cannot_be_cosigned(self) -> None:
        with pytest.raises(MalformedCheckpoint):
            cosign(sign("hello\n", LOG), ONE, 1)
        with pytest.raises(ValueError, match="COSIGNATURE_V1"):
            cosign(head(), LOG, 1)
        for time in (-1, 2**63):
            with pytest.raises(ValueError, match="no time"):
                cosign(head(), ONE, time)


class TestVerify:
    def test_no_byte_of_a_cosignature_can_change(self) -> None:
        note = head().signed([cosign(head(), ONE, 1679315147)])
        text = str(note).encode()
        for place in range(len(text)):
            changed = bytearray(text)
            changed[place] ^= 1
            try:
                found = verify_cosignatures(Note.parse(bytes(changed)), BOTH)
            except (Malformed, UnverifiedNote):
                continue
            # What a witness does not sign is the log's own line; what names the witness can only hide it.
            assert found == () or place < text.rindex("— ".encode())

    def test_another_time_for_the_same_signature(self) -> None:
        made = cosign(head(), ONE, 5)
        later = Signature(made.name, made.key_id, (6).to_bytes(8) + made.value[8:])
        with pytest.raises(UnverifiedNote):
            verify_cosignatures(head().signed([later]), BOTH)

    def test_a_time_beyond_what_the_format_carries(self) -> None:
        time = 2**63
        made = ONE.private.sign(f"cosignature/v1\ntime {time}\n{head().text}".encode())
        line = Signature(ONE.name, ONE.verifier.key_id, time.to_bytes(8) + made)
        with pytest.raises(UnverifiedNote):
            verify_cosignatures(head().signed([line]), BOTH)

    @pytest.mark.parametrize("value", [bytes(1), bytes(8), bytes(71), bytes(73)])
    def test_another_length(self, value: bytes) -> None:
        with pytest.raises(UnverifiedNote):
            verify_cosignatures(head().signed([Signature(ONE.name, ONE.verifier.key_id, value)]), BOTH)

    def test_unknown_witnesses_and_none(self) -> None:
        assert verify_cosignatures(head(), BOTH) == ()
        note = head().signed([cosign(head(), ONE, 5)])
        assert verify_cosignatures(note, BOTH[1:]) == ()

    def test_a_plain_signature_is_no_cosignature(self) -> None:
        plain = Signer(ONE.name, ONE.private)
        note = head().signed(sign(head().text, plain).signatures)
        assert verify_cosignatures(note, [plain.verifier, ONE.verifier]) == ()
        with pytest.raises(UnverifiedNote):
            open_checkpoint(head().signed([cosign(head(), ONE, 5)]), [ONE.verifier], origin=LOG.name)

    def test_the_latest_time_counts(self) -> None:
        note = head().signed([cosign(head(), ONE, time) for time in (5, 9, 7)])
        assert verify_cosignatures(note, BOTH) == (Cosignature(BOTH[0], 9),)

    def test_extensions_are_signed_too(self) -> None:
        text = head().text + "an extension\n"
        note = sign(text, LOG)
        note = note.signed([cosign(note, ONE, 5)])
        assert len(verify_cosignatures(note, BOTH)) == 1
        with pytest.raises(UnverifiedNote):
            verify_cosignatures(Note(text.replace("an ", "no "), note.signatures), BOTH)

    def test_a_text_that_is_no_checkpoint(self) -> None:
        with pytest.raises(MalformedCheckpoint):
            verify_cosignatures(sign("hello\n", LOG), BOTH)
