import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.ledger.log.keys import successor_note
from provenance.proof.cosignatures import cosign
from provenance.proof.notes import COSIGNATURE_V1, Signer, UnverifiedNote
from provenance.proof.policy import MalformedPolicy, Policy, succession

from .logs import LOG, head


def signer(name: str, seed: int, kind: int = COSIGNATURE_V1) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), kind)


WITNESSES = [signer(f"w{number}.example", number) for number in range(1, 6)]
LINES = "".join(f"witness W{number} {each.verifier}\n" for number, each in enumerate(WITNESSES, 1))
TEXT = f"""# whom we trust
log {LOG.verifier} https://p.example/log
{LINES}
\tgroup X  2 W1 W2 W3
group Y any W4 W5
group all-of-them all X Y
quorum all-of-them
"""


class TestParse:
    def test_the_example_of_the_specification(self) -> None:
        policy = Policy.parse(TEXT)
        assert policy.logs == (LOG.verifier,)
        assert list(policy.witnesses) == ["W1", "W2", "W3", "W4", "W5"]
        assert policy.quorum == "all-of-them"

    @pytest.mark.parametrize(
        ("witnessed", "met"),
        [("W1 W2 W4", True), ("W1 W2", False), ("W1 W4", False), ("W1 W2 W3 W4 W5", True), ("", False)],
    )
    def test_the_quorum_counts_groups(self, witnessed: str, met: bool) -> None:
        assert Policy.parse(TEXT).is_met(witnessed.split()) is met

    def test_without_witnesses(self) -> None:
        assert Policy.parse("quorum none").is_met([])
        assert Policy().trusting([LOG.verifier, LOG.verifier]).logs == (LOG.verifier,)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "no line quorum"),
            ("quorum none\nquorum none\n", "Line 2"),
            ("quorum W1\n", "nothing above"),
            (f"log {WITNESSES[0].verifier}\nquorum none", "a witness's key"),
            (f"witness A {LOG.verifier}\nquorum A", "a log's key"),
            (f"log {LOG.verifier}\nlog {LOG.verifier}\nquorum none", "twice"),
            (f"witness A {WITNESSES[0].verifier}\nwitness B {WITNESSES[0].verifier}\nquorum none", "twice"),
            (f"witness none {WITNESSES[0].verifier}\nquorum none", "taken"),
            (f"{LINES}group G 3 W1 W2\nquorum G", "can't be needed"),
            (f"{LINES}group G 0 W1 W2\nquorum G", "can't be needed"),
            (f"{LINES}group G all\nquorum G", "a group reads"),
            (f"{LINES}group G all W1 W9\nquorum G", "nothing above"),
            (f"{LINES}group G all W1\ngroup H all W1 G\nquorum H", "a member already"),
            (f"{LINES}group W1 all W2\nquorum W1", "taken"),
            ("log x\nquorum none", "Line 1"),
            ("log\nquorum none", "a log reads"),
            ("witness A\nquorum none", "a witness reads"),
            ("trust everyone\nquorum none", "none of log"),
            ("quorum none \x07\n", "control character"),
            ("#" * 1_000_001, "megabyte"),
        ],
    )
    def test_what_is_no_policy(self, text: str, said: str) -> None:
        with pytest.raises(MalformedPolicy, match=said):
            Policy.parse(text)


class TestWitnessedBy:
    def test_the_names_of_those_who_cosigned(self) -> None:
        note = head()
        cosigned = note.signed([cosign(note, each, 1_700_000_000) for each in (WITNESSES[0], WITNESSES[3])])
        assert Policy.parse(TEXT).witnessed_by(cosigned) == ("W1", "W4")
        assert Policy.parse(TEXT).witnessed_by(note) == ()

    def test_a_cosignature_of_another_checkpoint(self) -> None:
        note = head().signed([cosign(head(3), WITNESSES[0], 1)])
        with pytest.raises(UnverifiedNote):
            Policy.parse(TEXT).witnessed_by(note)


class TestSuccession:
    FIRST, SECOND, THIRD = (signer("log.example", seed, 1) for seed in (11, 12, 13))

    def published(self) -> list[tuple[str, int, str | None]]:
        return [
            (str(self.FIRST.verifier), 0, None),
            (str(self.SECOND.verifier), 7, str(successor_note(self.FIRST, self.SECOND, 7))),
            (str(self.THIRD.verifier), 9, str(successor_note(self.SECOND, self.THIRD, 9))),
        ]

    def test_trust_follows_the_notes(self) -> None:
        everyone = [each.verifier for each in (self.FIRST, self.SECOND, self.THIRD)]
        assert succession(everyone[:1], self.published()) == everyone
        assert succession(everyone[1:2], self.published()) == everyone[1:]
        assert succession([LOG.verifier], self.published()) == [LOG.verifier]

    def test_a_note_that_names_another_key_or_size_adds_nothing(self) -> None:
        first, second, third = self.published()
        named = [self.FIRST.verifier]
        assert succession(named, [first, (second[0], 8, second[2]), third]) == named
        assert succession(named, [first, (second[0], 7, "no note")]) == named
        assert succession(named, [first, (second[0], 7, third[2])]) == named
        forged = str(successor_note(LOG, self.SECOND, 7))
        assert succession(named, [first, (second[0], 7, forged)]) == named
