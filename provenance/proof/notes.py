"""Signed notes (c2sp.org/signed-note): a text, a blank line and the signatures of one or more keys under it.

A note proves nothing before one of its signatures has been checked against a key that the reader trusts
already; what is written in the note about its signers is only a hint which key to take.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provenance.proof.strict import Malformed, read_base64, read_lines, read_text, write_base64

ED25519: Final = 0x01
"""The kind of a key that signs the text of a note as it stands."""

COSIGNATURE_V1: Final = 0x04
"""The kind of a witness's key, which signs a checkpoint together with a time (`cosignatures`)."""

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100

_KINDS: Final = (ED25519, COSIGNATURE_V1)
_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_DASH: Final = "— "

# The y coordinates of the eight points of small order, in every encoding. Under such a key anyone can sign.
_WEAK_KEYS: Final = frozenset(
    int(y, 16)
    for y in (
        "00",
        "01",
        "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
        "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffee",
    )
)
_SIGN_BIT: Final = 1 << 255


class MalformedNote(Malformed):
    """A text that is no signed note."""


class MalformedKey(Malformed):
    """A text that is no verifier key, or a name no key can have."""


class UnverifiedNote(ValueError):
    """A note that no trusted key has signed, or with a trusted key's signature that does not fit its text."""


@dataclass(frozen=True)
class VerifierKey:
    """The public half of a signer: its name, the kind of its signatures, its Ed25519 key of 32 bytes.

    Raises `MalformedKey` for a name that is empty or holds a space, a plus or a control character, a kind
    other than `ED25519` and `COSIGNATURE_V1`, a key of another length or one under which anyone can sign.
    """

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        _refuse_name(self.name)
        if self.kind not in _KINDS:
            raise MalformedKey(f"Keys of kind 0x{self.kind:02x} are not supported.")
        if len(self.public) != _PUBLIC_KEY_BYTES:
            raise MalformedKey(f"An Ed25519 key has {_PUBLIC_KEY_BYTES} bytes, not {len(self.public)}.")
        if int.from_bytes(self.public, "little") & ~_SIGN_BIT in _WEAK_KEYS:
            raise MalformedKey(f"The key of {self.name!r} is one under which anyone can sign.")

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read `<name>+<hash>+<base64 of kind and key>`. Raises `MalformedKey`."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise MalformedKey("A verifier key is written <name>+<hash>+<key>.")
        name, key_id, encoded = parts
        material = read_base64(encoded, "The last part of a verifier key", MalformedKey)
        if not material:
            raise MalformedKey("The last part of a verifier key is empty.")
        key = cls(name, material[1:], material[0])
        if key.key_id.hex() != key_id:
            raise MalformedKey(f"The hash of the key {name!r} is {key.key_id.hex()}, not what its text says.")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{write_base64(bytes([self.kind]) + self.public)}"

    @cached_property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ 0x0A ‖ kind ‖ key)."""
        identity = b"%b\n%c%b" % (self.name.encode(), self.kind, self.public)
        return sha256(identity).digest()[:_KEY_ID_BYTES]

    def fits(self, message: bytes, signature: bytes) -> bool:
        """Whether these 64 bytes are this key's Ed25519 signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A named Ed25519 key that signs notes. Raises `MalformedKey` for a name no key can have."""

    name: str
    private: Ed25519PrivateKey
    kind: int = ED25519

    def __post_init__(self) -> None:
        _refuse_name(self.name)

    @cached_property
    def verifier(self) -> VerifierKey:
        """What to publish, so that others can check the signatures."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw(), self.kind)


@dataclass(frozen=True)
class Signature:
    """One signature line: the signer's name, the four bytes of its key id, and what that kind of key makes."""

    name: str
    key_id: bytes
    value: bytes

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read one line without its newline. Raises `MalformedNote`."""
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not _is_name(name):
            raise MalformedNote("A signature line is written — <name> <base64>.")
        value = read_base64(encoded, f"The signature of {name!r}", MalformedNote)
        if len(value) <= _KEY_ID_BYTES:
            raise MalformedNote(f"The signature of {name!r} is too short.")
        return cls(name, value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:])

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {write_base64(self.key_id + self.value)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether the line names this key; whether the signature fits is another question."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True)
class Note:
    """A text that ends in a newline, and its signatures, unverified."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: str | bytes) -> "Note":
        """Read a whole note; `str(note)` gives the very same text back. Raises `MalformedNote`.

        Refused: more than 1,000,000 bytes or 100 signatures, what is not UTF-8, control characters, a missing
        blank line or final newline, and signature lines in any other spelling.
        """
        whole = read_text(data, "The note", MalformedNote)
        if len(whole.encode()) > MAX_NOTE_BYTES:
            raise MalformedNote(f"A note has at most {MAX_NOTE_BYTES} bytes.")
        text, blank, signed = whole.rpartition("\n\n")
        if not blank:
            raise MalformedNote("The note has no blank line before its signatures.")
        lines = read_lines(signed, "The note", MalformedNote)
        if len(lines) > MAX_SIGNATURES:
            raise MalformedNote(f"A note has at most {MAX_SIGNATURES} signatures.")
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def signed(self, signatures: Iterable[Signature]) -> "Note":
        """The same note with more signatures under it; one that is there already is not repeated."""
        return replace(self, signatures=tuple(dict.fromkeys((*self.signatures, *signatures))))


def sign(text: str, *signers: Signer) -> Note:
    """Sign a text with plain Ed25519 keys.

    Raises `MalformedNote` for a text that does not end in a newline or holds control characters, and
    ValueError without signers or with one of another kind.
    """
    if not signers or any(signer.kind != ED25519 for signer in signers):
        raise ValueError("a note is signed by one or more plain Ed25519 keys")
    message = read_text(text, "The text", MalformedNote).encode()
    read_lines(text, "The text", MalformedNote)
    made = [Signature(by.name, by.verifier.key_id, by.private.sign(message)) for by in signers]
    return Note(text, tuple(made))


def verify(note: Note, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """The trusted plain Ed25519 keys that have signed this note, each once, in the order of its lines.

    Signatures of unknown keys say nothing and are passed over, and so are `keys` of another kind. Raises
    `UnverifiedNote` if a known key's signature does not fit the text, or if no known key has signed.
    """
    message, found = note.text.encode(), []
    for signature in note.signatures:
        for key in keys:
            if key.kind != ED25519 or not signature.is_by(key):
                continue
            if not key.fits(message, signature.value):
                raise UnverifiedNote(f"The signature of {key.name!r} does not fit the note.")
            found.append(key)
    if not found:
        raise UnverifiedNote("No trusted key has signed the note.")
    return tuple(dict.fromkeys(found))


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _refuse_name(name: str) -> None:
    read_text(name, "The name of a key", MalformedKey)
    if not _is_name(name):
        raise MalformedKey("The name of a key is not empty and holds neither spaces nor plus signs.")
