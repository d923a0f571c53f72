"""The verifier that travels in a pack: alone in a folder, on any Python, and byte by byte against tampering."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.evidence.container import Container, manifest_of
from provenance.ledger.log.keys import successor_note
from provenance.proof.canonical import canonical
from provenance.proof.certificates import Certificate, Step, sign_certificate
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.completeness import write_completeness
from provenance.proof.completeness_map import (
    Entry,
    MapHead,
    bit,
    bucket_hash,
    index_key_commitment,
    inner_hash,
    map_key,
    map_root,
    place_of,
    rebuild,
)
from provenance.proof.cosignatures import cosign
from provenance.proof.json_proof import write_json_proof
from provenance.proof.leaf import index_key_hash
from provenance.proof.merkle import consistency_proof, inclusion_proof, tree_root, verify_consistency, verify_inclusion
from provenance.proof.notes import COSIGNATURE_V1, Note, Signer, sign
from provenance.proof.standalone import verify_pack
from tests.proof.logs import ENVELOPES, LEAVES, LOG, SALT, SIZE, content_of

VERIFIER = Path(verify_pack.__file__)
ASKED = [1, 4, 5, 9]
HEAD = 10


def line(index: int, **instead: Any) -> bytes:
    """A record as a pack holds it."""
    path = canonical([each.hex() for each in inclusion_proof(LEAVES[:HEAD], index)])
    parts = {
        "content": content_of(index),
        "envelope": ENVELOPES[index],
        "number": str(index + 1).encode(),
        "path": path,
        "salt": b'"%b"' % SALT.hex().encode(),
        **instead,
    }
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in parts.items()) + b"}\n"


def key_entry(signer: Signer, from_size: int = 0, note: str | None = None) -> dict[str, Any]:
    return {
        "origin": signer.name,
        "verifierKey": str(signer.verifier),
        "fromSize": from_size,
        "successorNote": note,
    }


def make(
    files: Mapping[str, bytes | None] | None = None,
    *,
    signer: Signer = LOG,
    keys: list[dict[str, Any]] | None = None,
    **head: Any,
) -> bytes:
    """A small pack; ``files`` stand in for those it has, None values leave one out."""
    note = sign_checkpoint(Checkpoint(signer.name, HEAD, tree_root(LEAVES[:HEAD])), signer)
    newer = sign_checkpoint(Checkpoint(signer.name, SIZE, tree_root(LEAVES)), signer)
    grown = {"checkpoint": str(newer), "path": [each.hex() for each in consistency_proof(LEAVES, HEAD)]}
    proofs = {
        f"proofs/{index + 1}.json": write_json_proof(
            ENVELOPES[index], index, inclusion_proof(LEAVES[:HEAD], index), note, content_of(index), SALT
        )
        for index in ASKED
    }
    found: dict[str, bytes | None] = {
        "README.txt": b"read me\n",
        "verify.py": VERIFIER.read_bytes(),
        "checkpoint": str(note).encode(),
        "keys.json": canonical({"keys": keys or [key_entry(signer)]}),
        "consistency.json": canonical(grown),
        "records.ndjson": b"".join(line(index) for index in ASKED),
        **proofs,
        "report.html": b"<p>report</p>\n" * 50,
        **(files or {}),
    }
    file = io.BytesIO()
    container = Container(file)
    for name, data in found.items():
        if data is None:
            continue
        container.add(name, [data[at : at + 700] for at in range(0, len(data), 700)] or [b""])
    said = {
        "origin": signer.name,
        "filter": {"action": ["create"], "resourceId": ["user-*"]},
        "records": len(ASKED),
        "treeSize": HEAD,
        "proofs": True,
        **head,
    }
    manifest = manifest_of(said, container)
    text = f"{signer.name}/evidence\n{sha256(manifest).hexdigest()}\n"
    container.finish(manifest, str(sign(text, signer)).encode())
    return file.getvalue()


PACK = make()
KEY = verify_pack.Key(str(LOG.verifier))


def outcome_of(pack: bytes) -> verify_pack.Outcome:
    return verify_pack.verify(io.BytesIO(pack), [KEY])


def failures(pack: bytes) -> list[tuple[str, str | None]]:
    return [(finding.subject, finding.where) for finding in outcome_of(pack).findings if not finding.passed]


class TestGood:
    def test_everything_passes(self) -> None:
        outcome = outcome_of(PACK)
        assert [finding.shown() for finding in outcome.findings if not finding.passed] == []
        assert (outcome.proven, outcome.trusted, outcome.signer) == (True, True, str(LOG.verifier))
        assert zipfile.ZipFile(io.BytesIO(PACK)).testzip() is None

    def test_the_same_files_make_the_same_bytes(self) -> None:
        assert make() == PACK

    def test_without_a_key_nothing_is_trusted(self) -> None:
        outcome = verify_pack.verify(io.BytesIO(PACK))
        assert (outcome.proven, outcome.trusted) == (True, False)

    def test_keys_that_follow_one_another(self) -> None:
        new = Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32))
        note = str(successor_note(LOG, new, 3))
        pack = make(signer=new, keys=[key_entry(LOG), key_entry(new, 3, note)])
        assert (outcome_of(pack).proven, outcome_of(pack).trusted) == (True, True)
        for forged in (key_entry(new, 4, note), key_entry(new, 3), key_entry(new, 3, str(successor_note(new, new, 3)))):
            outcome = outcome_of(make(signer=new, keys=[key_entry(LOG), forged]))
            assert (outcome.proven, outcome.trusted) == (True, False)


NOW = "2026-11-22T10:00:03.000Z"


def certificate_of(
    *ranges: tuple[int, int], name: str = "erasure-1", signer: Signer = LOG, **instead: Any
) -> dict[str, bytes]:
    """A certificate of an erasure, as a file of a pack."""
    said = Certificate(
        **{
            "origin": signer.name,
            "id": name,
            "kind": "erasure",
            "selector": "userId",
            "selector_hash": "00" * 16,
            "reason": "asked for \u001b[2J",
            "by": "user_1",
            "requested": NOW,
            "erased": NOW,
            "cleaned": NOW,
            "backups": NOW,
            "rows": sum(last - first + 1 for first, last in ranges),
            "steps": (Step("tables", "rewritten"),),
            "ranges": ranges,
            **instead,
        }
    )
    return {f"certificates/{name}.note": str(sign_certificate(said, signer)).encode()}


def erased(files: dict[str, bytes], *, gone: Sequence[int] = (5, 6), **head: Any) -> bytes:
    """A pack in which these numbers have no content, with the certificates given."""
    note = sign_checkpoint(Checkpoint(LOG.name, HEAD, tree_root(LEAVES[:HEAD])), LOG)
    empty = {"content": b"null", "salt": b"null"}
    proofs = {
        f"proofs/{number}.json": write_json_proof(
            ENVELOPES[number - 1], number - 1, inclusion_proof(LEAVES[:HEAD], number - 1), note, None, None
        )
        for number in gone
    }
    lines = [line(index, **(empty if index + 1 in gone else {})) for index in ASKED]
    return make({"records.ndjson": b"".join(lines), **proofs, **files}, **head)


def sentences(pack: bytes) -> str:
    return " ".join(finding.sentence for finding in outcome_of(pack).findings)


class TestErasures:
    def test_each_is_named_by_a_certificate(self) -> None:
        one = erased(certificate_of((1, 3), (5, 900)))
        assert failures(one) == []
        when = "2026-11-22 10:00:03.000 UTC"
        assert f"Records 5 to 6: content erased on {when}, position and commitment proven." in sentences(one)
        two = erased({**certificate_of((5, 5)), **certificate_of((6, 6), name="erasure-2")})
        assert failures(two) == []
        assert f"Record 6: content erased on {when}, position and commitment proven." in sentences(two)

    def test_what_a_reason_says_is_no_command_to_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        verify_pack.tell(outcome_of(erased(certificate_of((5, 6)))))
        assert "Reason: asked for \ufffd[2J" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("files", "where"),
        [
            ({}, "interaction number 5 to 6"),
            (certificate_of((1, 5)), "interaction number 6"),
            (certificate_of((1, 4), (7, 9)), "certificates/erasure-1.note"),
            (certificate_of((5, 6), name="a") | certificate_of((1, 2), name="b"), "certificates/b.note"),
            ({"certificates/x.note": certificate_of((5, 6))["certificates/erasure-1.note"]}, "certificates/x.note"),
            (certificate_of((5, 6), origin="other.example/main"), "certificates/erasure-1.note"),
            (certificate_of((5, 6), signer=Signer("x.example/w", LOG.private)), "certificates/erasure-1.note"),
            ({"certificates/erasure-1.note": b"x"}, "certificates/erasure-1.note"),
            ({"certificates/erasure-1.note": str(sign("x/erasures\n", LOG)).encode()}, "certificates/erasure-1.note"),
        ],
    )
    def test_what_a_certificate_does_not_account_for(self, files: dict[str, bytes], where: str) -> None:
        [(subject, place)] = failures(erased(files))
        assert (subject, where in str(place)) == ("erasures", True), place

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("numbers 5-6", "numbers 6-5"),
            ("numbers 5-6", "numbers 5-6 6"),
            ("numbers 5-6", "numbers 05-06"),
            ("numbers 5-6", "numbers 5-7"),
            ("numbers 5-6", "numbers 5-6\nrows 2"),
            ('reason "asked', "reason asked"),
            (NOW, "yesterday"),
            ("certificate v1", "certificate v2"),
        ],
    )
    def test_a_certificate_that_the_log_signed_and_nobody_can_read(self, old: str, new: str) -> None:
        text = Note.parse(certificate_of((5, 6))["certificates/erasure-1.note"]).text
        files = {"certificates/erasure-1.note": str(sign(text.replace(old, new), LOG)).encode()}
        assert failures(erased(files)) == [("erasures", "certificates/erasure-1.note")]

    def test_a_certificate_without_need(self) -> None:
        assert failures(make(certificate_of((5, 5)))) == [("erasures", "certificates/erasure-1.note")]

    def test_of_an_erased_record_the_envelope_is_still_compared(self) -> None:
        pack = erased(certificate_of((5, 6)), filter={"action": ["DELETE"]})
        assert "number 5" in str(failures(pack)[0][1])

    def test_a_log_that_was_begun_anew(self) -> None:
        old = Signer(LOG.name + "/old", Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32))
        files = certificate_of((5, 6), signer=old)
        assert failures(erased(files)) == [("erasures", "certificates/erasure-1.note")]
        assert failures(erased(files, keys=[key_entry(old), key_entry(LOG)])) == []

    def test_many_certificates_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verify_pack, "PROBLEMS_SHOWN", 1)
        said = sentences(erased({**certificate_of((5, 5)), **certificate_of((6, 6), name="erasure-2")}))
        assert "All 2 records without content are named by 2 signed certificates." in said
        assert "Record 6" not in said

    def test_many_numbers_are_cut_short(self) -> None:
        assert verify_pack.told([1, 2, 3, 7]) == "1 to 3, 7"
        assert verify_pack.told(range(1, 100, 2)).endswith(", 39 and 30 ranges more")


class TestWitnesses:
    ONE, TWO = (
        Signer(f"w{n}.example/witness", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32), COSIGNATURE_V1)
        for n in (11, 12)
    )

    def pack(self, *by: Signer, seconds: int = 1_800_000_000) -> bytes:
        head = sign_checkpoint(Checkpoint(LOG.name, HEAD, tree_root(LEAVES[:HEAD])), LOG)
        note = head.signed([cosign(head, each, seconds) for each in by])
        files = {f"proofs/{index + 1}.json": None for index in ASKED}
        return make({"checkpoint": str(note).encode(), **files}, proofs=False)

    def said(self, pack: bytes, *named: Signer) -> verify_pack.Finding | None:
        keys = [verify_pack.Key(str(each.verifier), "x", verify_pack.WITNESS_KEY) for each in named]
        found = verify_pack.verify(io.BytesIO(pack), [KEY], keys).findings
        return next((each for each in found if each.subject == "witnesses"), None)

    def test_who_has_countersigned(self) -> None:
        found = self.said(self.pack(self.ONE), self.ONE, self.TWO)
        assert found is not None
        assert found.sentence == (
            "Countersigned by w11.example/witness on 2027-01-15 08:00:00 UTC. Not countersigned by w12.example/witness."
        )

    def test_names_that_nobody_checked_are_told_as_such(self) -> None:
        found = self.said(self.pack(self.TWO, self.ONE))
        assert found is not None
        assert "not checked" in found.sentence
        assert found.sentence.endswith("w11.example/witness, w12.example/witness.")
        assert self.said(PACK) is None

    def test_a_signature_that_does_not_fit(self) -> None:
        other = Signer(self.ONE.name, self.TWO.private, COSIGNATURE_V1)
        note = Note.parse(zipfile.ZipFile(io.BytesIO(self.pack(self.ONE))).read("checkpoint"))
        [mine] = [each for each in note.signatures if each.name == self.ONE.name]
        forged = replace(note, signatures=(note.signatures[0], replace(mine, value=bytes(72))))
        files = {"checkpoint": str(forged).encode(), **{f"proofs/{index + 1}.json": None for index in ASKED}}
        found = self.said(make(files, proofs=False), self.ONE)
        assert found is not None
        assert (found.passed, found.where) == (False, "checkpoint")
        missing = self.said(self.pack(self.ONE), other)
        assert missing is not None
        assert missing.sentence == f"Not countersigned by {other.name}."

    def test_a_log_has_another_kind_of_key(self) -> None:
        with pytest.raises(verify_pack.Problem):
            verify_pack.Key(str(self.ONE.verifier))
        with pytest.raises(verify_pack.Problem):
            verify_pack.Key(str(LOG.verifier), "x", verify_pack.WITNESS_KEY)


class TestChangedBytes:
    """The pack's promise: no byte can change without the verifier failing and saying where."""

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(PACK) - 1), st.integers(1, 255))
    def test_any_byte(self, at: int, flip: int) -> None:
        changed = bytearray(PACK)
        changed[at] ^= flip
        outcome = outcome_of(bytes(changed))
        assert not (outcome.proven and outcome.trusted)
        assert any(finding.where for finding in outcome.findings if not finding.passed)

    def test_every_byte_of_what_is_not_compressed(self) -> None:
        """All headers, the manifest, its signature and the directory, each byte; of compressed data the last byte."""
        compressed = set[int]()
        pack = verify_pack.Pack(io.BytesIO(PACK))
        for member in pack.members.values():
            if member.method == verify_pack.DEFLATED:
                compressed.update(range(member.start, member.start + member.packed - 1))
        bare = [at for at in range(len(PACK)) if at not in compressed]
        for at in random.Random(1).sample(bare, 400):
            changed = bytearray(PACK)
            changed[at] ^= 1 << at % 8
            assert failures(bytes(changed)), at

    @pytest.mark.parametrize(
        "change",
        [
            lambda pack: pack[:-1],
            lambda pack: pack + b"\0",
            lambda pack: b"\0" + pack,
            lambda pack: b"",
            lambda pack: pack[: len(pack) // 2],
            lambda pack: b"PK\5\6" + bytes(18),
        ],
    )
    def test_cut_and_lengthened(self, change: Callable[[bytes], bytes]) -> None:
        assert failures(change(PACK))

    @pytest.mark.parametrize("name", ["verify.py", "report.html", "records.ndjson", "proofs/5.json", "keys.json"])
    def test_a_file_that_someone_packed_anew(self, name: str) -> None:
        """Unpacked, changed and packed again with a right zip and a right manifest, but without the log's key."""
        other = Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32))
        files = {each: zipfile.ZipFile(io.BytesIO(PACK)).read(each) for each in (name,)}
        pack = make({name: files[name].replace(b"e", b"E", 1)}, signer=other, keys=[key_entry(other)])
        outcome = outcome_of(pack)
        assert not outcome.trusted
        genuine = make({name: files[name] + b" "})
        mixed = _with_signature_of(genuine, PACK)
        assert failures(mixed)[0] == ("signature", "manifest.json")


def _with_signature_of(pack: bytes, other: bytes) -> bytes:
    """The same files under another pack's signature."""
    file = io.BytesIO()
    container, source = Container(file), zipfile.ZipFile(io.BytesIO(pack))
    for name in source.namelist()[:-2]:
        container.add(name, [source.read(name)])
    container.finish(source.read("manifest.json"), zipfile.ZipFile(io.BytesIO(other)).read("manifest.note"))
    return file.getvalue()


class TestForged:
    """Packs that the log's own key has signed, but that do not hold together: the proofs still decide."""

    @pytest.mark.parametrize(
        ("files", "head", "subject", "where"),
        [
            ({"records.ndjson": line(1)}, {}, "records", "records.ndjson"),
            ({"records.ndjson": line(4) + line(1)}, {"records": 2}, "records", "records.ndjson, line 2"),
            ({"records.ndjson": line(1) * 2}, {"records": 2}, "records", "records.ndjson, line 2"),
            ({"records.ndjson": line(1, content=b'{"resourceId":"user-1"}')}, {"records": 1}, "records", "number 2"),
            ({"records.ndjson": line(1, envelope=ENVELOPES[2])}, {"records": 1}, "records", "number 2"),
            ({"records.ndjson": line(1, path=b"[]")}, {"records": 1}, "records", "number 2"),
            ({"records.ndjson": line(1, path=b'["x"]')}, {"records": 1}, "records", "number 2"),
            ({"records.ndjson": line(1, number=b"3")}, {"records": 1}, "records", "number 3"),
            ({"records.ndjson": line(1, salt=b"null")}, {"records": 1}, "records", "number 2"),
            ({"records.ndjson": line(1)[:-1]}, {"records": 1}, "records", "records.ndjson, line 1"),
            ({"records.ndjson": b"{}\n"}, {"records": 1}, "records", "records.ndjson, line 1"),
            ({"records.ndjson": b"\xff\n"}, {"records": 1}, "records", "records.ndjson, line 1"),
            ({"records.ndjson": line(1, content=b'{"a":1,"a":2}')}, {"records": 1}, "records", "line 1"),
            ({"proofs/5.json": b"{}"}, {}, "records", "proofs/5.json"),
            ({}, {"filter": {"uowId": "x"}}, "records", "number 2"),
            ({}, {"filter": {"resourceId": ["user-1"]}}, "records", "number 5"),
            ({}, {"filter": {"action": ["DELETE"]}}, "records", "number 2"),
            ({}, {"treeSize": 11}, "checkpoint", "checkpoint"),
            ({"checkpoint": b"no note"}, {}, "checkpoint", "checkpoint"),
            ({"consistency.json": b'{"checkpoint":"","path":[]}'}, {}, "growth", "consistency.json"),
            ({"keys.json": b'{"keys":[]}'}, {}, "signature", "manifest.note"),
            ({"keys.json": b"[]"}, {}, "signature", "keys.json"),
        ],
    )
    def test_what_does_not_hold_together(
        self, files: dict[str, bytes], head: dict[str, Any], subject: str, where: str
    ) -> None:
        found = failures(make(files, **head))
        assert (found[0][0], where in str(found[0][1])) == (subject, True), found

    def test_another_log_that_does_not_extend_this_one(self) -> None:
        newer = sign_checkpoint(Checkpoint(LOG.name, SIZE, tree_root(LEAVES[::-1])), LOG)
        grown = {"checkpoint": str(newer), "path": [each.hex() for each in consistency_proof(LEAVES, HEAD)]}
        assert failures(make({"consistency.json": canonical(grown)})) == [("growth", "consistency.json")]

    def test_a_zip_of_another_make(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as pack:
            pack.writestr("manifest.json", "{}")
        assert failures(file.getvalue())[0][0] == "container"

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=300))
    def test_no_bytes_make_it_crash(self, data: bytes) -> None:
        assert failures(data)
        assert failures(make({"keys.json": data}))

    @pytest.mark.parametrize("manifest", [b"{}", b"[]", b'{"origin":1}', b'{"files":3}', b"x", b'{"files":[{}]}'])
    def test_a_manifest_of_another_form(self, manifest: bytes) -> None:
        file = io.BytesIO()
        container = Container(file)
        container.add("keys.json", [canonical({"keys": [key_entry(LOG)]})])
        try:
            origin = json.loads(manifest)["origin"]
        except (ValueError, KeyError, TypeError):
            origin = LOG.name
        note = sign(f"{origin}/evidence\n{sha256(manifest).hexdigest()}\n", LOG)
        container.finish(manifest, str(note).encode())
        assert failures(file.getvalue())


UOW = "018f3c1e-0000-7000-8000-00000000000a"
MAP = Signer(LOG.name + "/map", Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32))
INDEX_KEY = bytes([3]) * 32


def answer(*, signer: Signer = MAP, identifier: str = UOW, **instead: Any) -> bytes:
    """The completeness map's answer for the unit of work that all records of the small log belong to."""
    entries = rebuild(ENVELOPES[:HEAD])
    root = tree_root(LEAVES[:HEAD])
    head = MapHead(LOG.name, HEAD, root, map_root(entries), index_key_commitment(INDEX_KEY))
    checkpoint = sign_checkpoint(Checkpoint(LOG.name, HEAD, root), LOG)
    key = map_key("uow", uuid.UUID(identifier).bytes)
    bucket = [entries[each] for each in sorted(entries)]
    made = write_completeness("uow", identifier, None, key, bucket, None, [], sign(str(head), signer), checkpoint)
    return canonical({**json.loads(made), **instead})


def complete(document: bytes, *, left_out: int | None = None, **filters: Any) -> list[tuple[str, str | None]]:
    lines = [line(index) for index in range(HEAD) if index != left_out]
    files: dict[str, bytes | None] = {
        "completeness.json": document,
        "consistency.json": None,
        "records.ndjson": b"".join(lines),
        **{f"proofs/{index + 1}.json": None for index in ASKED},
    }
    keys = [key_entry(LOG), key_entry(MAP)]
    return failures(make(files, keys=keys, records=len(lines), proofs=False, filter=filters or {"uowId": UOW}))


class TestCompleteness:
    WHERE = ("completeness", "completeness.json")

    def test_all_are_there(self) -> None:
        assert complete(answer()) == []

    def test_there_is_none(self) -> None:
        nobody = "018f3c1e-0000-7000-8000-00000000000b"
        files = {f"proofs/{index + 1}.json": None for index in ASKED}
        pack = {
            "completeness.json": answer(identifier=nobody),
            "records.ndjson": b"",
            "consistency.json": None,
            **files,
        }
        head: dict[str, Any] = {"records": 0, "keys": [key_entry(LOG), key_entry(MAP)], "filter": {"uowId": nobody}}
        assert failures(make(pack, **head)) == []
        assert "There is none: not one of the log's first 10 entries names the id." in sentences(make(pack, **head))
        assert failures(make({**pack, "completeness.json": None}, **head)) == [("completeness", "the pack")]
        there = {**pack, "completeness.json": answer()}
        assert failures(make(there, **{**head, "filter": {"uowId": UOW}})) == [self.WHERE]

    def test_one_is_left_out(self) -> None:
        assert complete(answer(), left_out=4) == [self.WHERE]

    @pytest.mark.parametrize(
        "change",
        [
            {"count": 9},
            {"key": "00" * 16},
            {"path": ["00" * 32]},
            {"bucket": []},
            {"note": "no note"},
            {"checkpoint": "no note"},
            {"id": "018f3c1e-0000-7000-8000-00000000000b"},
            {"kind": "r"},
            {"kind": "r", "indexKey": "03" * 32},
        ],
    )
    def test_an_answer_that_was_changed(self, change: dict[str, Any]) -> None:
        assert complete(answer(**change)) == [self.WHERE]

    def test_a_bucket_that_was_changed(self) -> None:
        bucket = json.loads(answer())["bucket"]
        for changed in (bucket[::-1], bucket[:1], [{**each, "count": 4} for each in bucket]):
            assert complete(answer(bucket=changed)) == [self.WHERE]

    def test_a_map_of_another_key(self) -> None:
        other = Signer(MAP.name, Ed25519PrivateKey.from_private_bytes(bytes([4]) * 32))
        assert complete(answer(signer=other)) == [self.WHERE]

    def test_an_answer_to_another_question(self) -> None:
        assert complete(answer(), uowId=UOW, action=["CREATE"]) == [self.WHERE]

    def test_the_key_of_an_id_is_computed(self) -> None:
        value = index_key_hash(INDEX_KEY, b"u", "ada")
        found = {"kind": "u", "id": "ada", "key": value, "indexKey": INDEX_KEY.hex()}
        checked = verify_pack.MapAnswer(found, "x")
        checked._check_key(index_key_commitment(INDEX_KEY))
        for wrong in ({"id": "eve"}, {"indexKey": "00" * 32}, {"kind": "r"}):
            with pytest.raises(verify_pack.Problem):
                verify_pack.MapAnswer({**found, **wrong}, "x")._check_key(index_key_commitment(INDEX_KEY))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 400), st.integers(0, 399))
    def test_paths_through_a_large_map(self, keys: int, chosen: int) -> None:
        entries = {}
        for number in range(keys):
            key = map_key("r", sha256(b"%d" % number).digest()[:16])
            entries[key] = Entry(key, number + 1, sha256(key).digest())
        key = sorted(entries)[chosen % keys]
        bucket, path = around(entries, key)
        shown = [
            {"kind": "r", "key": each.key[1:].hex(), "count": each.count, "head": each.head.hex()} for each in bucket
        ]
        found = {"kind": "r", "key": key[1:].hex(), "bucket": shown, "path": [each.hex() for each in path]}
        checked = verify_pack.MapAnswer(found, "x")
        assert checked._root() == map_root(entries)
        assert (checked.count, checked.chain) == (entries[key].count, entries[key].head)


def around(entries: dict[bytes, Entry], key: bytes) -> tuple[list[Entry], list[bytes]]:
    """The bucket and the path of a key, from the map's definition."""
    inside, depth, path = dict(entries), 0, []
    while len(inside) > 64:
        mine = bit(place_of(key), depth)
        other = {each: entry for each, entry in inside.items() if bit(place_of(each), depth) != mine}
        inside = {each: entry for each, entry in inside.items() if each not in other}
        depth += 1
        path.insert(0, node_of(other, depth))
    return [inside[each] for each in sorted(inside)], path


def node_of(entries: dict[bytes, Entry], depth: int) -> bytes:
    if len(entries) <= 64:
        return bucket_hash(depth, b"".join(entries[each].packed() for each in sorted(entries)))
    sides = [{key: entry for key, entry in entries.items() if bit(place_of(key), depth) == side} for side in (0, 1)]
    return inner_hash(node_of(sides[0], depth + 1), node_of(sides[1], depth + 1))


class TestAlgorithms:
    """What the one file does itself gives the same answers as the library, and as the standard."""

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, SIZE), st.data())
    def test_merkle_proofs(self, size: int, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, size - 1))
        path, root = inclusion_proof(LEAVES[:size], index), tree_root(LEAVES[:size])
        assert verify_pack.root_from(LEAVES[index], index, size, path) == root
        verify_inclusion(LEAVES[index], index, size, path, root)
        old = data.draw(st.integers(1, size))
        grown = consistency_proof(LEAVES[:size], old)
        assert verify_pack.extends(old, tree_root(LEAVES[:old]), size, root, grown)
        verify_consistency(old, tree_root(LEAVES[:old]), size, root, grown)
        if old < size:
            assert not verify_pack.extends(old, tree_root(LEAVES[:old]), size, root, [*grown, bytes(32)])
            assert not verify_pack.extends(old, bytes(32), size, root, grown)

    @settings(max_examples=12, deadline=None)
    @given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
    def test_ed25519(self, seed: bytes, message: bytes) -> None:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public, signature = private.public_key().public_bytes_raw(), private.sign(message)
        assert verify_pack.pure_ed25519(public, signature, message)
        assert verify_pack.ed25519(public, signature, message)
        assert not verify_pack.is_weak(public)
        for wrong in (signature[:-1], signature[:32] + bytes(32), bytes(64), bytes(32) + signature[32:]):
            assert not verify_pack.pure_ed25519(public, wrong, message)
        assert not verify_pack.pure_ed25519(public, signature, message + b"!")
        malleable = (int.from_bytes(signature[32:], "little") + verify_pack.ORDER).to_bytes(32, "little")
        assert not verify_pack.pure_ed25519(public, signature[:32] + malleable, message)

    @pytest.mark.parametrize("public", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"\xff" * 32])
    def test_keys_under_which_anyone_can_sign(self, public: bytes) -> None:
        assert verify_pack.is_weak(public)

    def test_rfc_8032_test_1(self) -> None:
        public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        signature = bytes.fromhex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        )
        assert verify_pack.pure_ed25519(public, signature, b"")

    @pytest.mark.parametrize("text", ["x", "a+b+c", f"{LOG.name}+00000000+{str(LOG.verifier).split('+', 2)[2]}"])
    def test_what_is_no_key(self, text: str) -> None:
        with pytest.raises(verify_pack.Problem):
            verify_pack.Key(text)


PYTHONS = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in (8, 9, 10, 12, 13)))]


class TestAlone:
    """As it is used: a file in an empty folder, an interpreter without anything installed, no network."""

    def run(self, folder: Path, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-I", "-S", "verify.py", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "pack.zip").write_bytes(PACK)
        with zipfile.ZipFile(tmp_path / "pack.zip") as pack:
            pack.extract("verify.py", tmp_path)
        return tmp_path

    @pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).name)
    def test_on_any_python(self, folder: Path, python: str) -> None:
        if subprocess.run([python, "-c", "import sys"], capture_output=True).returncode:
            pytest.skip("this interpreter is not installed")
        done = self.run(folder, python, "pack.zip", "--key", KEY.text)
        assert (done.returncode, done.stderr) == (0, "")
        assert "PROVEN, and signed by a key that you trust." in done.stdout

    def test_without_a_key_it_says_whose_to_compare(self, folder: Path) -> None:
        done = self.run(folder, sys.executable, "pack.zip")
        assert done.returncode == 1
        assert f"--key '{KEY.text}'" in done.stdout

    def test_a_changed_pack(self, folder: Path) -> None:
        data = bytearray(PACK)
        data[100] ^= 1
        (folder / "pack.zip").write_bytes(data)
        done = self.run(folder, sys.executable, "pack.zip", "--json", "--key", KEY.text)
        assert done.returncode == 1
        assert [each["where"] for each in json.loads(done.stdout)["findings"] if not each["passed"]]

    def test_wrong_use(self, folder: Path) -> None:
        for arguments in ((), ("nothing.zip",), ("pack.zip", "--key", "x")):
            assert self.run(folder, sys.executable, *arguments).returncode == 2

    def test_it_imports_the_standard_library_alone(self) -> None:
        import ast

        tree = ast.parse(VERIFIER.read_text("utf-8"), feature_version=(3, 8))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {each.name for node in top if isinstance(node, ast.Import) for each in node.names}
        names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
        assert names - {"__future__"} <= sys.stdlib_module_names


def test_the_container_reads_what_zlib_of_any_level_packed() -> None:
    """The digests cover the packed bytes, so another way of packing the same file is another pack."""
    file = io.BytesIO()
    container = Container(file)
    writing = container.start("a")
    writing._squeeze = zlib.compressobj(1, zlib.DEFLATED, -15, 8)
    writing.write(b"abc" * 1000)
    writing.finish()
    manifest = manifest_of({"origin": LOG.name}, container)
    container.finish(manifest, b"")
    assert b"".join(verify_pack.Pack(file).chunks(verify_pack.Pack(file).members["a"])) == b"abc" * 1000
