"""Erasure certificates: one spelling, signed by the log's key, never a checkpoint."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.certificates import (
    MAX_RANGES,
    Certificate,
    MalformedCertificate,
    Step,
    merged,
    open_certificate,
    sign_certificate,
)
from provenance.proof.checkpoints import Checkpoint, MalformedCheckpoint, sign_checkpoint
from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.notes import MAX_NOTE_BYTES, Note, Signer, UnverifiedNote

ORIGIN = "example.org/acme"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer("example.org/other", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOW = "2026-11-22T10:00:00.000Z"


def certificate(**more: Any) -> Certificate:
    values: dict[str, Any] = {
        "origin": ORIGIN,
        "id": "0190f1a2-0000-7000-8000-000000000000",
        "kind": "erasure",
        "selector": "userId",
        "selector_hash": "00112233445566778899aabbccddeeff",
        "reason": 'she said "please"\n— today',
        "by": "user_01J",
        "requested": NOW,
        "erased": NOW,
        "cleaned": NOW,
        "backups": NOW,
        "rows": 12,
        "steps": (Step("tables", "rewritten"), Step("log", "not done: permission denied")),
        "ranges": ((1, 9), (11, 11), (13, 14)),
        "continues": None,
    }
    return Certificate(**{**values, **more})


ranges = st.lists(st.integers(1, 10**12), max_size=200, unique=True).map(
    lambda numbers: merged((number, number) for number in sorted(numbers))
)


class TestSpelling:
    @given(reason=st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text), ranges=ranges)
    def test_what_is_written_is_read_back(self, reason: str, ranges: tuple[tuple[int, int], ...]) -> None:
        rows = sum(last - first + 1 for first, last in ranges)
        made = certificate(reason=reason, ranges=ranges, rows=rows, erased=NOW if rows else None, continues="before")
        assert Certificate.parse(str(made)) == made

    def test_how_it_looks(self) -> None:
        lines = str(certificate()).splitlines()
        assert lines[:3] == [f"{ORIGIN}/erasures", "certificate v1", "id 0190f1a2-0000-7000-8000-000000000000"]
        assert lines[-2:] == ['step log "not done: permission denied"', "numbers 1-9 11 13-14"]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("certificate v1", "certificate v2"),
            ("/erasures\n", "\n"),
            ("rows 12", "rows 11"),
            ("rows 12", "rows 012"),
            ("1-9 11", "1-9 10"),
            ("1-9 11", "11 1-9"),
            ("1-9 11", "1-9  11"),
            ("13-14", "14-13"),
            ("numbers 1-9", "numbers 0-9"),
            ("selector userId 0011", "selector userId 00XX"),
            ('reason "', "reason ["),
            ("kind erasure\n", ""),
            ("cleaned 2026", "cleaned 26"),
        ],
    )
    def test_any_other_spelling_is_refused(self, old: str, new: str) -> None:
        text = str(certificate())
        assert old in text
        with pytest.raises(MalformedCertificate):
            Certificate.parse(text.replace(old, new, 1))

    def test_the_largest_one_fits_into_a_note(self) -> None:
        many = tuple((10**12 + 3 * n, 10**12 + 3 * n + 1) for n in range(MAX_RANGES))
        note = sign_certificate(certificate(ranges=many, rows=2 * MAX_RANGES), SIGNER)
        assert len(str(note).encode()) < MAX_NOTE_BYTES
        assert open_certificate(Note.parse(str(note)), [SIGNER.verifier]).ranges == many
        with pytest.raises(MalformedCertificate):
            certificate(ranges=(*many, (10**13, 10**13)), rows=2 * MAX_RANGES + 1)

    @pytest.mark.parametrize("wrong", [{"origin": "a\nb"}, {"by": "two words"}, {"selector_hash": "ff"}, {"id": ""}])
    def test_what_cannot_be_written_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(MalformedCertificate):
            certificate(**wrong)


class TestSigning:
    def test_the_logs_key_vouches_for_it(self) -> None:
        note = sign_certificate(certificate(), SIGNER)
        assert open_certificate(Note.parse(str(note)), [OTHER.verifier, SIGNER.verifier]) == certificate()

    def test_another_logs_key_does_not(self) -> None:
        with pytest.raises(UnverifiedNote):
            open_certificate(sign_certificate(certificate(), OTHER), [OTHER.verifier])

    def test_a_changed_one_is_found_out(self) -> None:
        text = str(sign_certificate(certificate(), SIGNER)).replace("user_01J", "user_01K")
        with pytest.raises(UnverifiedNote):
            open_certificate(Note.parse(text), [SIGNER.verifier])

    def test_it_is_no_checkpoint_and_a_checkpoint_is_none(self) -> None:
        with pytest.raises(MalformedCheckpoint):
            Checkpoint.parse(str(certificate()))
        checkpoint = sign_checkpoint(Checkpoint(f"{ORIGIN}/erasures", 0, EMPTY_ROOT), SIGNER)
        with pytest.raises(MalformedCertificate):
            open_certificate(checkpoint, [SIGNER.verifier])
