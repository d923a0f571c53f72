import json
import re
from typing import Any

import pytest

from provenance.proof.canonical import canonical
from provenance.proof.json_proof import Findings, verify_json_proof, write_json_proof
from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import inclusion_proof
from provenance.proof.notes import VerifierKey
from provenance.proof.proof_file import MalformedProof

from .logs import ENVELOPES, LEAVES, LOG, SALT, SIZE, content_of, document, envelope_of, head
from .vectors import PETER_KEY

KEYS = [VerifierKey.parse(PETER_KEY), LOG.verifier]


def changed(**members: Any) -> Findings:
    """What is found in a good document after its members have been changed."""
    return verify_json_proof(json.dumps({**json.loads(document()), **members}).encode(), KEYS)


def failed(findings: Findings) -> list[str]:
    assert findings.proven == all(finding.passed for finding in findings.findings)
    return [finding.subject for finding in findings.findings if not finding.passed]


class TestWrite:
    def test_the_members_of_the_specification(self) -> None:
        text = document()
        assert text == canonical(json.loads(text))
        assert json.loads(text) == {
            "envelope": ENVELOPES[4].decode(),
            "leafHash": LEAVES[4].hex(),
            "index": 4,
            "treeSize": SIZE,
            "path": [each.hex() for each in inclusion_proof(LEAVES, 4)],
            "checkpoint": str(head()),
            "content": json.loads(content_of(4)),
            "contentCanonical": content_of(4).decode(),
            "salt": SALT.hex(),
        }

    def test_content_without_salt(self) -> None:
        for content, salt in ((None, SALT), (content_of(4), None)):
            with pytest.raises(ValueError, match="together"):
                write_json_proof(ENVELOPES[4], 4, [], head(), content, salt)


class TestProven:
    @pytest.mark.parametrize("size", [1, 2, 8, SIZE])
    def test_every_record(self, size: int) -> None:
        for index in range(size):
            findings = verify_json_proof(document(index, size=size), KEYS)
            assert (failed(findings), findings.index, findings.erased) == ([], index, False)
            assert findings.summary == "content proven, position and commitment proven"
            assert findings.envelope is not None
            assert findings.envelope.canonical() == ENVELOPES[index]
            assert findings.checkpoint is not None
            assert findings.checkpoint.origin == "p.example/main"

    def test_erased(self) -> None:
        findings = verify_json_proof(document(erased=True), KEYS)
        assert (findings.proven, findings.erased) == (True, True)
        assert findings.summary == "content erased, position and commitment proven"

    def test_spaces_and_order_are_free(self) -> None:
        members = json.loads(document())
        text = json.dumps(dict(reversed(members.items())), indent=4, ensure_ascii=True)
        assert verify_json_proof(text.encode(), KEYS).proven

    def test_content_as_deep_as_content_can_be(self) -> None:
        deep: Any = 1
        for _ in range(64):
            deep = [deep]
        members = {**json.loads(document()), "content": deep, "contentCanonical": canonical(deep).decode()}
        assert failed(verify_json_proof(json.dumps(members).encode(), KEYS)) == ["content"]

    def test_keys_of_a_log_by_another_name(self) -> None:
        renamed = VerifierKey("renamed", LOG.verifier.public)
        assert failed(verify_json_proof(document(), [renamed])) == ["checkpoint"]
        assert verify_json_proof(document(), KEYS, origin="p.example/main").proven
        assert failed(verify_json_proof(document(), KEYS, origin="p.example/other")) == ["checkpoint"]


class TestNotProven:
    def test_another_envelope(self) -> None:
        other = envelope_of(5).decode()
        assert failed(changed(envelope=other)) == ["leaf", "position", "content"]
        found = changed(envelope=other, leafHash=leaf_hash(envelope_of(5)).hex())
        assert failed(found) == ["position", "content"]
        assert found.summary == (
            "not proven: The path does not lead to the checkpoint: the proof leads to another root. "
            "The content is not the one that was committed to."
        )

    @pytest.mark.parametrize(
        "text",
        [
            lambda text: text.replace(":", ": ", 1),
            lambda text: text.replace('"v":1', '"v":1,"x":1'),
            lambda text: text.replace('"v":1', '"v":1.0'),
            lambda text: text.replace('"v":1', '"v":2'),
            lambda text: text.replace("CREATE", "\\u0043REATE"),
            lambda text: text.replace("CREATE", "\\u0000"),
            lambda text: text.replace('"sequence":7', '"sequence":9007199254740993'),
            lambda text: text.replace('"sequence":7', '"sequence":7,"sequence":7'),
            lambda text: text.replace('"sequence":7', '"sequence":"7"'),
            lambda text: "[]",
            lambda text: "",
        ],
    )
    def test_an_envelope_that_is_not_canonical(self, text: Any) -> None:
        """Even where the log itself holds such a leaf."""
        assert text(ENVELOPES[4].decode()) != ENVELOPES[4].decode()
        found = changed(envelope=text(ENVELOPES[4].decode()))
        assert set(failed(found)) >= {"envelope", "leaf", "position"}

    def test_another_leaf_hash(self) -> None:
        assert failed(changed(leafHash=LEAVES[5].hex())) == ["leaf"]

    def test_another_place(self) -> None:
        for index in (3, 5, SIZE, 2**53 - 1):
            assert failed(changed(index=index)) == ["position"]
        for path in ([], ["00" * 32], [each.hex() for each in inclusion_proof(LEAVES, 5)]):
            assert failed(changed(path=path)) == ["position"]

    def test_another_checkpoint(self) -> None:
        assert failed(changed(treeSize=SIZE - 1)) == ["checkpoint"]
        assert failed(changed(checkpoint=str(head(SIZE - 1)))) == ["checkpoint", "position"]
        assert failed(changed(checkpoint="nothing")) == ["checkpoint", "position"]
        assert failed(changed(checkpoint=str(head()).replace("— p.example/main", "— p.example/other"))) == [
            "checkpoint"
        ]
        assert failed(verify_json_proof(document(), KEYS[:1])) == ["checkpoint"]

    def test_no_byte_of_the_checkpoint_can_change(self) -> None:
        note = str(head())
        for place in range(len(note)):
            other = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
            assert "checkpoint" in failed(changed(checkpoint=other))

    def test_other_content(self) -> None:
        other = canonical({"resourceId": "user-5"})
        for members in (
            {"content": json.loads(other)},
            {"contentCanonical": other.decode()},
            {"content": json.loads(other), "contentCanonical": other.decode()},
            {"contentCanonical": content_of(4).decode() + " "},
            {"salt": "ff" * 16},
        ):
            assert failed(changed(**members)) == ["content"]

    def test_no_byte_of_the_content_can_change(self) -> None:
        text = content_of(4).decode()
        for place in range(len(text)):
            other = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
            assert failed(changed(contentCanonical=other)) == ["content"]


class TestMalformed:
    @pytest.mark.parametrize(
        "members",
        [
            {"more": 1},
            {"index": -1},
            {"index": "4"},
            {"index": 4.5},
            {"index": True},
            {"treeSize": None},
            {"path": "00" * 32},
            {"path": ["00" * 31]},
            {"path": ["00" * 32] * 64},
            {"leafHash": "AA" * 32},
            {"leafHash": "aa" * 32 + "\n"},
            {"leafHash": "zz" * 32},
            {"salt": "00" * 15},
            {"salt": None},
            {"content": None},
            {"contentCanonical": None},
            {"content": None, "salt": None},
            {"envelope": {}},
            {"checkpoint": None},
        ],
    )
    def test_members_of_another_form(self, members: dict[str, Any]) -> None:
        with pytest.raises(MalformedProof):
            changed(**members)

    @pytest.mark.parametrize("name", sorted(json.loads(document())))
    def test_a_member_missing_or_twice(self, name: str) -> None:
        members = json.loads(document())
        again = document()[:-1] + b"," + json.dumps({name: members[name]}).encode()[1:]
        with pytest.raises(MalformedProof, match="twice"):
            verify_json_proof(again, KEYS)
        del members[name]
        with pytest.raises(MalformedProof):
            verify_json_proof(json.dumps(members).encode(), KEYS)

    @pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{}", b"{", b"\xff", document()[:-1], document() + b"x"])
    def test_no_document(self, text: bytes) -> None:
        with pytest.raises(MalformedProof):
            verify_json_proof(text, KEYS)

    def test_any_byte_of_the_document(self) -> None:
        """Whatever is altered, nothing else comes out than a refusal, a failed check or the same proof."""
        text, good = document(), verify_json_proof(document(), KEYS)
        for place in range(len(text)):
            other = bytearray(text)
            other[place] ^= 1
            try:
                found = verify_json_proof(bytes(other), KEYS)
            except MalformedProof:
                continue
            assert not found.proven or found == good, re.sub(rb"\s", b" ", other[place - 9 : place + 9])
