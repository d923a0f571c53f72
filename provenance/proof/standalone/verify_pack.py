#!/usr/bin/env python3
"""Check an evidence pack, offline: python3 verify.py PACK.zip --key VERIFIER_KEY

One file, Python 3.8 or newer, standard library only; nothing is installed, nothing is sent anywhere. It reads
every byte of the pack: the zip's own structure, the digest of each file, the signature over the list of files,
the signed head of the log (a C2SP checkpoint), and for each record the seal of its content and its path to that
head (RFC 9162); for a record whose content was erased, the signed certificate that names it. With --witness KEY it
says who has countersigned the head. Exit code 0: all is proven and the key is one you named. 1: not so. 2: wrong use.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import hmac
import json
import re
import struct
import sys
import time
import zlib
from typing import IO, Any, Iterator, Sequence

LOCAL, CENTRAL, END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
STORED, DEFLATED = 0, 8
MODE, DATE, VERSION = 0o100644 << 16, 0x0021, 20
MANIFEST, SIGNED = "manifest.json", "manifest.note"
CERTIFICATES, NOTE = "certificates/", ".note"
LOG_KEY, WITNESS_KEY = 1, 4
CHUNK = 1 << 16
MAX_LINE = 4_000_000
MAX_SMALL = 64_000_000
PROBLEMS_SHOWN = 20
RANGES_SHOWN = 20


class Problem(Exception):
    """Something in the pack is not as it must be. `where` names the file and the place in it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where + ": " + why)
        self.where, self.why = where, why


class Finding:
    """The outcome of one check: what was checked, whether it passed, a sentence, and where it failed."""

    def __init__(self, subject: str, passed: bool, sentence: str, where: str | None = None) -> None:
        self.subject, self.passed, self.sentence, self.where = subject, passed, sentence, where

    def shown(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {"subject": self.subject, "passed": self.passed, "sentence": self.sentence, "where": self.where}


class Outcome:
    """What was found out about a pack. `proven`: all checks passed. `trusted`: a key that was named signed it."""

    def __init__(
        self,
        findings: list[Finding],
        signer: str | None = None,
        trusted: bool = False,
        manifest: dict[str, Any] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.findings, self.signer, self.trusted = findings, signer, trusted
        self.manifest, self.checkpoint = manifest, checkpoint

    @property
    def proven(self) -> bool:
        """Whether every check has passed, whoever signed."""
        return all(finding.passed for finding in self.findings)


# --- the container: a zip in which every byte has one possible value --------------------------------------------


def local_header(name: str, method: int, crc: int, packed: int, size: int) -> bytes:
    """The bytes before a file's data."""
    encoded = name.encode("ascii")
    fields = (b"PK\3\4", VERSION, 0, method, 0, DATE, crc, packed, size, len(encoded), 0)
    return LOCAL.pack(*fields) + encoded


def central_header(name: str, method: int, crc: int, packed: int, size: int, offset: int) -> bytes:
    """A file's entry in the directory at the end."""
    encoded = name.encode("ascii")
    made = (b"PK\1\2", 3 << 8 | VERSION, VERSION, 0, method, 0, DATE, crc, packed, size)
    return CENTRAL.pack(*made, len(encoded), 0, 0, 0, 0, MODE, offset) + encoded


def end_record(count: int, size: int, offset: int) -> bytes:
    """The last bytes of a pack."""
    return END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


class Member:
    """One file of the pack, and where its data stand."""

    def __init__(self, name: str, method: int, crc: int, packed: int, size: int, start: int) -> None:
        self.name, self.method, self.crc = name, method, crc
        self.packed, self.size, self.start = packed, size, start


class Pack:
    """An open pack. Raises Problem unless its structure is exactly the one that its directory describes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.length = file.seek(0, 2)
        self.members: dict[str, Member] = {}
        count, size, offset = self._end()
        directory = self._at(offset, size)
        entries: list[tuple[str, int, int, int, int, int]] = []
        at = 0
        while at < len(directory):
            entry, at = self._entry(directory, at)
            entries.append(entry)
        if len(entries) != count:
            raise Problem("the zip's directory", f"it lists {len(entries)} files and says {count}")
        self._lay_out(entries, offset)

    def _end(self) -> tuple[int, int, int]:
        if self.length < END.size:
            raise Problem("the zip's end", "the file is too short to be a pack")
        tail = self._at(self.length - END.size, END.size)
        mark, _, _, _, count, size, offset, _ = END.unpack(tail)
        if mark != b"PK\5\6" or tail != end_record(count, size, offset) or offset + size + END.size != self.length:
            raise Problem("the zip's end", f"the last {END.size} bytes are not those of a pack")
        return count, size, offset

    def _entry(self, directory: bytes, at: int) -> tuple[tuple[str, int, int, int, int, int], int]:
        where = f"the zip's directory at byte {at}"
        if at + CENTRAL.size > len(directory):
            raise Problem(where, "an entry is cut off")
        fields = CENTRAL.unpack_from(directory, at)
        method, crc, packed, size, named, offset = fields[4], fields[7], fields[8], fields[9], fields[10], fields[16]
        end = at + CENTRAL.size + named
        try:
            name = directory[at + CENTRAL.size : end].decode("ascii")
        except UnicodeDecodeError:
            raise Problem(where, "a file's name is not plain ASCII") from None
        if method not in (STORED, DEFLATED) or (method == STORED and packed != size):
            raise Problem(where, f"{name!r} is packed in an unknown way")
        if directory[at:end] != central_header(name, method, crc, packed, size, offset):
            raise Problem(where, f"the entry of {name!r} holds other values than a pack's")
        return (name, method, crc, packed, size, offset), end

    def _lay_out(self, entries: list[tuple[str, int, int, int, int, int]], directory_at: int) -> None:
        """Follow the files from the first byte on: no gap, no overlap, each behind its own header."""
        expected = 0
        for name, method, crc, packed, size, offset in entries:
            header = local_header(name, method, crc, packed, size)
            if name in self.members or offset != expected:
                raise Problem("the zip's directory", f"the entry of {name!r} is given twice or out of place")
            if self._at(offset, len(header)) != header:
                raise Problem(name, "the header before the file is not what the directory says")
            start = offset + len(header)
            self.members[name] = Member(name, method, crc, packed, size, start)
            expected = start + packed
        if expected != directory_at:
            raise Problem("the zip's directory", "there are bytes that belong to no file")

    def _at(self, offset: int, size: int) -> bytes:
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) != size:
            raise Problem("the zip", f"it ends before byte {offset + size}")
        return data

    def packed_chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file as they stand in the pack."""
        at, left = member.start, member.packed
        while left:
            data = self._at(at, min(CHUNK, left))
            at, left = at + len(data), left - len(data)
            yield data

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file. Raises Problem when they can't be unpacked or are not as many as was said."""
        if member.method == STORED:
            for data in self.packed_chunks(member):
                yield data
            return
        inflate, total = zlib.decompressobj(-15), 0
        try:
            for packed in self.packed_chunks(member):
                while packed:
                    data = inflate.decompress(packed, CHUNK)
                    packed, total = inflate.unconsumed_tail, total + len(data)
                    if total > member.size:
                        raise Problem(member.name, "it is longer than the zip says")
                    yield data
                    if not data and not packed:
                        break
            data = inflate.flush()
        except zlib.error:
            raise Problem(member.name, "its compressed bytes are damaged") from None
        yield data
        if not inflate.eof or inflate.unused_data or total + len(data) != member.size:
            raise Problem(member.name, "it has another length than the zip says")

    def read(self, name: str) -> bytes:
        """A small file as a whole. Raises Problem when it is missing."""
        member = self.members.get(name)
        if member is None:
            raise Problem(name, "the file is missing from the pack")
        if member.size > MAX_SMALL:
            raise Problem(name, "the file is larger than such a file can be")
        return b"".join(self.chunks(member))

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """The lines of a file one after another, with their numbers from 1. Raises Problem for one without an end."""
        if name not in self.members:
            raise Problem(name, "the file is missing from the pack")
        rest, number = b"", 0
        for data in self.chunks(self.members[name]):
            parts = (rest + data).split(b"\n")
            rest = parts.pop()
            for part in parts:
                number += 1
                yield number, part
            if len(rest) > MAX_LINE:
                raise Problem(f"{name}, line {number + 1}", "the line is too long")
        if rest:
            raise Problem(f"{name}, line {number + 1}", "the line has no end")


# --- strict JSON -------------------------------------------------------------------------------------------------


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(text + " is no JSON")


JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def object_of(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in these bytes. Raises Problem."""
    try:
        found = JSON.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Problem(where, f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Problem(where, "it is no JSON object")
    return found


def texts_of(line: bytes, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The members of a record, as values and as the very text that stands there. Raises Problem."""
    try:
        text, at = line.decode("utf-8"), 0
        values: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for name in ("content", "envelope", "number", "path", "salt"):
            head = f'{"," if values else "{"}"{name}":'
            if not text.startswith(head, at):
                raise ValueError(f"a record begins with {head!r} here")
            start = at + len(head)
            values[name], at = JSON.raw_decode(text, start)
            texts[name] = text[start:at]
        if text[at:] != "}":
            raise ValueError("a record ends after its salt")
    except (ValueError, RecursionError) as error:
        raise Problem(where, f"it is no record: {error}") from None
    return values, texts


def hash_of(text: Any, where: str, size: int = 32) -> bytes:
    """The bytes of a hash in lower-case hex. Raises Problem."""
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text, re.ASCII):
        raise Problem(where, f"there is no hash of {size} bytes in lower-case hex")
    return bytes.fromhex(text)


# --- Merkle proofs (RFC 9162, 2.1.3.2 and 2.1.4.2) ---------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root to which a path leads from a leaf; None when the path has the wrong length."""
    if not 0 <= index < size:
        return None
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            found = node(sibling, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, sibling)
        at, last = at >> 1, last >> 1
    return found if last == 0 else None


def extends(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: list[bytes]) -> bool:
    """Whether the log of the old root is the beginning of the log of the new one."""
    if not 0 < old_size < new_size:
        return old_size == new_size and old_root == new_root and not proof
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node(sibling, old), node(sibling, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (old_root, new_root)


# --- Ed25519 (RFC 8032), in case the library `cryptography` is not there -----------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def _point(data: bytes) -> tuple[int, int, int, int] | None:
    """The point in 32 bytes as extended coordinates; None when there is none, or in another spelling."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def _add(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(scalar: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point, scalar = _add(point, point), scalar >> 1
    return found


def _same(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> bool:
    return (one[0] * two[2] - two[0] * one[2]) % P == 0 and (one[1] * two[2] - two[1] * one[2]) % P == 0


def pure_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the key's Ed25519 signature of the message, in plain Python."""
    key = _point(public)
    if key is None or len(signature) != 64 or int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    challenge = hashlib.sha512(signature[:32] + public + message).digest()
    there = _point(signature[:32])
    base = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if there is None or base is None:
        return False
    times = int.from_bytes(challenge, "little") % ORDER
    return _same(_times(scalar, base), _add(there, _times(times, key)))


def is_weak(public: bytes) -> bool:
    """Whether anyone can sign for this key: it is no point of the curve, or one of small order."""
    point = _point(public)
    return point is None or _same(_times(8, point), (0, 1, 1, 0))


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the key's signature of the message; quicker where the library `cryptography` is there."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return pure_ed25519(public, signature, message)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- signed notes and checkpoints (C2SP) -------------------------------------------------------------------------


def from_base64(text: str, where: str) -> bytes:
    """The bytes of a base64 text in its only spelling. Raises Problem."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Problem(where, "there is no base64 where there should be") from None
    if base64.b64encode(found).decode() != text:
        raise Problem(where, "a base64 text is not in its usual spelling")
    return found


class Key:
    """A verifier key, `name+hash+key`: a log's, or a witness's for that `kind`. Raises Problem for any other text."""

    def __init__(self, text: str, where: str = "the key", kind: int = LOG_KEY) -> None:
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Problem(where, f"{text!r} is no verifier key: it reads <name>+<hash>+<key>")
        self.text, self.name = text.strip(), parts[0]
        material = from_base64(parts[2], where)
        self.public = material[1:]
        if len(material) != 33 or material[0] != kind or is_weak(self.public):
            whose = "a log" if kind == LOG_KEY else "a witness"
            raise Problem(where, f"{text!r} is no Ed25519 key of {whose}")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Problem(where, f"the hash inside {text!r} does not belong to the key")

    def signed(self, note: tuple[str, list[tuple[str, bytes]]]) -> bool:
        """Whether this key has signed a note, given as (text, signatures)."""
        text, signatures = note
        mine = [value for name, value in signatures if name == self.name and value[:4] == self.id]
        return bool(mine) and all(ed25519(self.public, value[4:], text.encode("utf-8")) for value in mine)

    def cosigned(self, note: tuple[str, list[tuple[str, bytes]]]) -> int | None:
        """When this witness has signed a checkpoint (seconds since 1970); None when it has not.

        Raises Problem when its signature does not fit (C2SP tlog-cosignature).
        """
        text, signatures = note
        found = None
        for value in [value for name, value in signatures if name == self.name and value[:4] == self.id]:
            seconds = int.from_bytes(value[4:12], "big")
            if not ed25519(self.public, value[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode()):
                raise Problem("checkpoint", f"the countersignature of {self.name} does not fit")
            found = max(found or 0, seconds)
        return found


def note_of(data: bytes, where: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A signed note as its text and its signatures: (name, key id and signature). Raises Problem."""
    try:
        text, blank, signed = data.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise Problem(where, "it is no UTF-8") from None
    if not blank or not signed.endswith("\n"):
        raise Problem(where, "it is no signed note")
    signatures = []
    for line in signed[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not name:
            raise Problem(where, "a line of signature is damaged")
        signatures.append((name, from_base64(encoded, where)))
    return text + "\n", signatures


class Checkpoint:
    """A head of the log: origin, size and root. Raises Problem for another text."""

    def __init__(self, data: bytes, where: str) -> None:
        self.note = note_of(data, where)
        lines = self.note[0].split("\n")
        if len(lines) < 4 or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1], re.ASCII):
            raise Problem(where, "it is no checkpoint of a log")
        self.origin, self.size, self.root = lines[0], int(lines[1]), from_base64(lines[2], where)
        if len(self.root) != 32:
            raise Problem(where, "its root is no SHA-256 hash")


# --- erasure certificates ----------------------------------------------------------------------------------------


class Certificate:
    """What the note of an erasure says: the log, the erasure's id, when, why, and which numbers. Raises Problem."""

    def __init__(self, text: str, where: str) -> None:
        lines = text.split("\n")
        if len(lines) < 3 or not lines[0].endswith("/erasures") or lines[1] != "certificate v1" or lines[-1]:
            raise Problem(where, "it is no certificate of an erasure")
        self.origin = lines[0][: -len("/erasures")]
        said: dict[str, str] = {}
        numbers: list[str] = []
        for line in lines[2:-1]:
            name, _, value = line.partition(" ")
            if name == "numbers":
                numbers += value.split(" ")
            elif name != "step":
                if name in said:
                    raise Problem(where, f"it says {name!r} twice")
                said[name] = value
        self.id, self.erased = said.get("id", ""), said.get("erased") or said.get("cleaned", "")
        try:
            self.reason = str(JSON.decode(said.get("reason", "")))
        except ValueError:
            raise Problem(where, "its reason can't be read") from None
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", self.erased, re.ASCII):
            raise Problem(where, "its time can't be read")
        self.ranges = [self._range(each, where) for each in numbers]
        before, rows = 0, 0
        for first, last in self.ranges:
            if not before < first <= last:
                raise Problem(where, "its numbers are not in order")
            before, rows = last, rows + last - first + 1
        if str(rows) != said.get("rows"):
            raise Problem(where, f"it names {rows} rows and says {said.get('rows')}")

    @staticmethod
    def _range(text: str, where: str) -> tuple[int, int]:
        found = re.fullmatch("([1-9][0-9]{0,18})(?:-([1-9][0-9]{0,18}))?", text, re.ASCII)
        if found is None:
            raise Problem(where, "its numbers can't be read")
        return int(found[1]), int(found[2] or found[1])

    def named(self, numbers: Sequence[int]) -> list[int]:
        """Those of these numbers, which are in order, that the certificate names."""
        found: list[int] = []
        for first, last in self.ranges:
            found += numbers[bisect.bisect_left(numbers, first) : bisect.bisect_right(numbers, last)]
        return found

    def sentence(self, numbers: Sequence[int]) -> str:
        """What became of these records."""
        who = "Record" if len(numbers) == 1 else "Records"
        when = self.erased.replace("T", " ").replace("Z", " UTC")
        return f"{who} {told(numbers)}: content erased on {when}, position and commitment proven. Reason: {self.reason}"


def told(numbers: Sequence[int]) -> str:
    """Numbers, which are in order, as a person reads them: 3 to 7, 9; many are cut short."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in ranges[:RANGES_SHOWN]]
    more = f" and {len(ranges) - RANGES_SHOWN} ranges more" if len(ranges) > RANGES_SHOWN else ""
    return ", ".join(shown) + more


# --- the checks --------------------------------------------------------------------------------------------------


class Verifier:
    """Checks one pack and collects what it finds."""

    def __init__(self, pack: Pack, trusted: Sequence[Key], witnesses: Sequence[Key] = ()) -> None:
        self.pack, self.trusted, self.witnesses = pack, trusted, witnesses
        self.findings: list[Finding] = []
        self.manifest: dict[str, Any] = {}
        self.keys: list[tuple[Key, dict[str, Any]]] = []
        self.files: dict[str, dict[str, Any]] = {}
        self.signer: str | None = None
        self.head: Checkpoint | None = None
        self.note = ""
        self.later: Checkpoint | None = None
        self.numbers: list[int] = []
        self.erased: list[int] = []

    def run(self) -> Outcome:
        """Check everything; a check that needs what failed before is left out, and the failure stays."""
        steps = (
            ("signature", self.check_signature),
            ("files", self.check_files),
            ("checkpoint", self.check_checkpoint),
            ("witnesses", self.check_witnesses),
            ("records", self.check_records),
            ("erasures", self.check_erasures),
            ("growth", self.check_growth),
            ("completeness", self.check_completeness),
        )
        for subject, step in steps:
            try:
                sentence = step()
                if sentence:
                    self.findings.append(Finding(subject, True, sentence))
            except Problem as problem:
                self.findings.append(Finding(subject, False, problem.why, problem.where))
                if subject in ("signature", "checkpoint"):
                    break
        return Outcome(self.findings, self.signer, self._is_trusted(), self.manifest, self.head)

    def check_signature(self) -> str:
        """The manifest is signed by a key of the log."""
        data = self.pack.read(MANIFEST)
        note = note_of(self.pack.read(SIGNED), SIGNED)
        self.manifest = object_of(data, MANIFEST)
        origin = self.manifest.get("origin")
        text = f"{origin}/evidence\n{hashlib.sha256(data).hexdigest()}\n"
        if note[0] != text:
            raise Problem(MANIFEST, "it is not the manifest that was signed: its SHA-256 differs")
        self.keys = self._keys(origin)
        for key, _ in self.keys:
            if key.signed(note):
                self.signer = key.text
                return f"The list of files is signed by the log {origin}."
        raise Problem(SIGNED, "no key of the log has signed it, or the signature does not fit")

    def _keys(self, origin: Any) -> list[tuple[Key, dict[str, Any]]]:
        """The keys of the log that the pack names, with the sizes from which they sign."""
        return [(key, each) for key, each in self._all_keys() if key.name == origin]

    def _all_keys(self) -> list[tuple[Key, dict[str, Any]]]:
        """All keys that the pack names, also those of the log before it was begun anew, and of its map."""
        listed = object_of(self.pack.read("keys.json"), "keys.json").get("keys") or ()
        return [(Key(str(each.get("verifierKey")), "keys.json"), each) for each in listed]

    def _is_trusted(self) -> bool:
        """Whether the signer is named by the reader, or by a key that is, through notes of succession."""
        named = {key.text for key in self.trusted}
        for key, each in self.keys:
            if key.text in named or not each.get("successorNote"):
                continue
            note = note_of(str(each["successorNote"]).encode("utf-8"), "keys.json")
            text = f"{key.name}\nsuccessor\n{each.get('fromSize')}\n{key.text}\n"
            older = [one for one, _ in self.keys if one.text in named]
            if note[0] == text and any(one.signed(note) for one in older):
                named.add(key.text)
        return self.signer is not None and self.signer in named

    def check_files(self) -> str:
        """Every file is there, none is added, and each has the digests that were signed."""
        listed = self.manifest.get("files")
        if not isinstance(listed, list):
            raise Problem(MANIFEST, "it lists no files")
        self.files = {each["path"]: each for each in listed}
        names = [each["path"] for each in listed] + [MANIFEST, SIGNED]
        if names != list(self.pack.members):
            odd = sorted(set(names) ^ set(self.pack.members)) or ["(another order)"]
            raise Problem("the pack", "it does not hold exactly the files that were signed: " + ", ".join(odd))
        wrong = [problem for problem in (self._file_problem(each) for each in listed) if problem]
        if wrong:
            raise Problem("; ".join(wrong[:PROBLEMS_SHOWN]), f"{len(wrong)} of {len(listed)} files changed")
        for name in (MANIFEST, SIGNED):
            member = self.pack.members[name]
            if member.method != STORED or zlib.crc32(self.pack.read(name)) != member.crc:
                raise Problem(name, "its checksum in the zip is wrong")
        return f"All {len(listed)} files are those that were signed, byte for byte."

    def _file_problem(self, listed: dict[str, Any]) -> str | None:
        member = self.pack.members[listed["path"]]
        packed, plain, crc = hashlib.sha256(), hashlib.sha256(), 0
        for data in self.pack.packed_chunks(member):
            packed.update(data)
        try:
            for data in self.pack.chunks(member):
                plain.update(data)
                crc = zlib.crc32(data, crc)
        except Problem:
            return member.name + " (damaged)"
        if plain.hexdigest() != listed["sha256"]:
            return member.name
        if packed.hexdigest() != listed["packedSha256"] or crc != member.crc or member.size != listed["bytes"]:
            return member.name + " (as packed)"
        return None

    def check_checkpoint(self) -> str:
        """The head of the log is signed by the same log, and is the one the manifest speaks of."""
        data = self.pack.read("checkpoint")
        self.head = head = Checkpoint(data, "checkpoint")
        self.note = data.decode("utf-8")
        if (head.origin, head.size) != (self.manifest["origin"], self.manifest["treeSize"]):
            raise Problem("checkpoint", "it is of another log or size than the manifest says")
        if not any(key.signed(head.note) for key, _ in self.keys):
            raise Problem("checkpoint", "no key of the log has signed it, or the signature does not fit")
        return f"The head of the log, {head.size} entries long, is signed by it."

    def check_witnesses(self) -> str:
        """Say which of the witnesses that the reader named have countersigned the head."""
        if self.head is None:
            return ""
        there = {name for name, _ in self.head.note[1]} - {self.head.origin}
        if not self.witnesses:
            names = ", ".join(sorted(there))
            return f"Countersignatures not checked (name a witness's key with --witness): {names}." if names else ""
        found, missing = [], []
        for key in self.witnesses:
            seconds = key.cosigned(self.head.note)
            if seconds is None:
                missing.append(key.name)
            else:
                when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
                found.append(f"{key.name} on {when} UTC")
        sentences = [f"Countersigned by {', '.join(found)}."] if found else []
        return " ".join(sentences + ([f"Not countersigned by {', '.join(missing)}."] if missing else []))

    def check_records(self) -> str:
        """Each record is sealed as recorded, stands in the log where it says, and is about what was asked."""
        count = last = 0
        problems: list[Problem] = []
        for line_number, line in self.pack.lines("records.ndjson"):
            where = f"records.ndjson, line {line_number}"
            count += 1
            try:
                values, texts = texts_of(line, where)
                last = self._check_record(values, texts, last, where)
                self.numbers.append(last)
                self._check_proof(values, texts)
                if values["content"] is None:
                    self.erased.append(last)
            except Problem as problem:
                problems.append(problem)
                if len(problems) >= PROBLEMS_SHOWN:
                    break
        if problems:
            raise Problem("; ".join(each.where for each in problems), problems[0].why)
        if count != self.manifest["records"]:
            raise Problem("records.ndjson", f"it holds {count} records, not {self.manifest['records']}")
        if not count:
            return "The pack holds no record: none was found."
        if self.erased:
            whole, gone = count - len(self.erased), len(self.erased)
            return f"All {count} records are in the log, in order: {whole} unchanged, {gone} without content."
        return f"All {count} records are in the log, unchanged and in order."

    def _check_record(self, values: dict[str, Any], texts: dict[str, str], last: int, where: str) -> int:
        number, path, envelope = values["number"], values["path"], values["envelope"]
        where = f"{where} (interaction number {number})"
        if not isinstance(number, int) or number <= last or not isinstance(path, list):
            raise Problem(where, "the records are not in order")
        if not isinstance(envelope, dict) or envelope.get("v") != 1:
            raise Problem(where, "its envelope is of an unknown version")
        leaf = hashlib.sha256(b"\0" + texts["envelope"].encode("utf-8")).digest()
        steps = [hash_of(each, where) for each in path]
        if self.head is None or root_from(leaf, number - 1, self.head.size, steps) != self.head.root:
            raise Problem(where, "its path does not lead to the signed head: it is not what was recorded there")
        self._check_words(envelope, where)
        if values["content"] is None and values["salt"] is None:
            return number
        salt = hash_of(values["salt"], where, 16)
        if hashlib.sha256(salt + texts["content"].encode("utf-8")).hexdigest() != envelope.get("contentDigest"):
            raise Problem(where, "its content is not the one that was sealed")
        self._check_ids(values["content"], where)
        return number

    def _check_words(self, envelope: dict[str, Any], where: str) -> None:
        """The record is about what was asked, as far as the envelope says."""
        asked = self.manifest["filter"]
        if "uowId" in asked and asked["uowId"] != envelope.get("uow"):
            raise Problem(where, "it is not what was asked for: uowId")
        words = (("resourceType", "resourceType"), ("action", "action"), ("origin", "origin"))
        for name, field in words:
            if name in asked and str(envelope.get(field)).lower() not in [each.lower() for each in asked[name]]:
                raise Problem(where, f"it is not what was asked for: {name}")

    def _check_ids(self, content: dict[str, Any], where: str) -> None:
        """The record is about what was asked, as far as only the content says."""
        asked = self.manifest["filter"]
        if "userId" in asked and asked["userId"] != content.get("userId"):
            raise Problem(where, "it is not what was asked for: userId")
        if "resourceId" in asked:
            given = str(content.get("resourceId"))
            exact = given in asked["resourceId"]
            if not exact and not any(each[-1:] == "*" and given.startswith(each[:-1]) for each in asked["resourceId"]):
                raise Problem(where, "it is not what was asked for: resourceId")

    def _check_proof(self, values: dict[str, Any], texts: dict[str, str]) -> None:
        """The proof that stands alone says the same as the record: it is made anew and compared."""
        name = f"proofs/{values['number']}.json"
        if not self.manifest["proofs"]:
            return
        text = alone(values, texts, self.note)
        if name not in self.files or self.files[name]["sha256"] != hashlib.sha256(text.encode("utf-8")).hexdigest():
            raise Problem(name, "it says something else than the record")

    def check_erasures(self) -> str:
        """Each record without content is named by a certificate that the log has signed."""
        names = [name for name in self.files if name.startswith(CERTIFICATES)]
        keys = [key for key, _ in self._all_keys()] if names else []
        named: set[int] = set()
        for at, name in enumerate(names):
            certificate = self._certificate(name, keys)
            mine = certificate.named(self.erased)
            if not mine:
                raise Problem(name, "it names no record of this pack whose content is missing")
            named.update(mine)
            if at < PROBLEMS_SHOWN:
                self.findings.append(Finding("erasures", True, certificate.sentence(mine)))
        missing = [number for number in self.erased if number not in named]
        if missing:
            where = f"records.ndjson (interaction number {told(missing)})"
            raise Problem(where, "the content is missing, and no signed certificate says that it was erased")
        if len(names) > PROBLEMS_SHOWN:
            return f"All {len(self.erased)} records without content are named by {len(names)} signed certificates."
        return ""

    def _certificate(self, name: str, keys: Sequence[Key]) -> Certificate:
        note = note_of(self.pack.read(name), name)
        certificate = Certificate(note[0], name)
        if name != CERTIFICATES + certificate.id + NOTE:
            raise Problem(name, "it is the certificate of another erasure")
        if not any(key.name == certificate.origin and key.signed(note) for key in keys):
            raise Problem(name, "no key of the log has signed it, or the signature does not fit")
        return certificate

    def check_growth(self) -> str:
        """A later head of the same log still holds all that the head of this pack holds."""
        self.later = self.head
        if "consistency.json" not in self.files:
            return "The head of the log was the newest when the pack was first made."
        found = object_of(self.pack.read("consistency.json"), "consistency.json")
        newer = Checkpoint(str(found.get("checkpoint")).encode("utf-8"), "consistency.json")
        path = [hash_of(each, "consistency.json") for each in found.get("path") or ()]
        old = self.head
        if old is None or newer.origin != old.origin or not any(key.signed(newer.note) for key, _ in self.keys):
            raise Problem("consistency.json", "the later head is not signed by the log")
        if not extends(old.size, old.root, newer.size, newer.root, path):
            raise Problem("consistency.json", "the later head does not hold what this one holds")
        self.later = newer
        return f"The log grew to {newer.size} entries and kept all that it held before."

    def check_completeness(self) -> str:
        """The map that the log signs counts exactly these records for the id that was asked for."""
        where = "completeness.json"
        if where not in self.files:
            if not self.manifest["records"]:
                raise Problem("the pack", "it holds no record, and nothing that shows that there is none")
            return ""
        found = object_of(self.pack.read(where), where)
        answer = MapAnswer(found, where)
        names = {"r": "resourceId", "u": "userId", "uow": "uowId"}
        asked = {names.get(str(found["kind"]), ""): [found["id"]] if found["kind"] == "r" else found["id"]}
        if self.manifest["filter"] != asked:
            raise Problem(where, "it is about something else than what was asked for")
        covered = Checkpoint(str(found["checkpoint"]).encode("utf-8"), where)
        if self.later is None or covered.note[0] != self.later.note[0]:
            raise Problem(where, "it is about another head of the log than the one in this pack")
        if not any(key.signed(covered.note) for key, _ in self.keys):
            raise Problem(where, "no key of the log has signed the head that it is about")
        answer.check(covered, self._keys(covered.origin + "/map"))
        if found["count"] != answer.count:
            raise Problem(where, "its count is not the one in the bucket")
        head = bytes(32)
        for number in self.numbers:
            head = hashlib.sha256(b"\2" + head + (number - 1).to_bytes(8, "big")).digest()
        if (len(self.numbers), head) != (answer.count, answer.chain):
            raise Problem(where, f"the log counts {answer.count} records of this id, the pack holds others")
        if not self.numbers:
            return f"There is none: not one of the log's first {covered.size} entries names the id."
        return f"These are all: of the log's first {covered.size} entries exactly these {answer.count} name the id."


class MapAnswer:
    """What the completeness map answers for one id: the bucket in which its key stands, and the path to the root."""

    def __init__(self, found: dict[str, Any], where: str) -> None:
        self.found, self.where = found, where
        self.key = {"r": b"r", "u": b"u", "uow": b"w"}[found["kind"]] + hash_of(found["key"], where, 16)
        self.count, self.chain = 0, bytes(32)

    def check(self, covered: Checkpoint, keys: list[tuple[Key, dict[str, Any]]]) -> None:
        """Check the map's note, the key and the path. Raises Problem."""
        note = note_of(str(self.found["note"]).encode("utf-8"), self.where)
        lines = note[0].split("\n")
        if lines[:3] != [covered.origin + "/map", str(covered.size), base64.b64encode(covered.root).decode()]:
            raise Problem(self.where, "the note of the map is about another head of the log")
        if len(lines) != 6 or not any(key.signed(note) for key, _ in keys):
            raise Problem(self.where, "no key of the map has signed its note, or the signature does not fit")
        self._check_key(from_base64(lines[4], self.where))
        if self._root() != from_base64(lines[3], self.where):
            raise Problem(self.where, "the path does not lead to the root of the map")

    def _check_key(self, commitment: bytes) -> None:
        kind, name = self.found["kind"], str(self.found["id"])
        if kind == "uow":
            if name.replace("-", "") != self.found["key"]:
                raise Problem(self.where, "the key is not that of the unit of work")
            return
        secret = hash_of(self.found["indexKey"], self.where)
        made = hmac.new(secret, kind.encode() + b"\0" + name.encode("utf-8"), "sha256").digest()[:16]
        if made != self.key[1:] or hashlib.sha256(b"\6" + secret).digest() != commitment:
            raise Problem(self.where, "the key is not that of the id, or the index key is not the workspace's")

    def _root(self) -> bytes:
        """The root to which the path leads; notes the count and the chain of the key on the way."""
        path = [hash_of(each, self.where) for each in self.found["path"]]
        place, packed, last = self._place(self.key), b"", b""
        for each in self.found["bucket"]:
            key = {"r": b"r", "u": b"u", "uow": b"w"}[each["kind"]] + hash_of(each["key"], self.where, 16)
            head = hash_of(each["head"], self.where)
            if key <= last or self._place(key) >> (256 - len(path)) != place >> (256 - len(path)) or each["count"] < 1:
                raise Problem(self.where, "the bucket holds what does not belong in it")
            packed, last = packed + key + each["count"].to_bytes(8, "big") + head, key
            if key == self.key:
                self.count, self.chain = each["count"], head
        sizes = len(path).to_bytes(2, "big") + (len(packed) // 57).to_bytes(2, "big")
        found = hashlib.sha256(b"\4" + sizes + packed).digest()
        for at, sibling in enumerate(path):
            right = place >> (256 - len(path) + at) & 1
            found = hashlib.sha256(b"\5" + (sibling + found if right else found + sibling)).digest()
        return found

    @staticmethod
    def _place(key: bytes) -> int:
        return int.from_bytes(hashlib.sha256(b"\3" + key).digest(), "big")


def alone(values: dict[str, Any], texts: dict[str, str], note: str) -> str:
    """The proof of one record as a JSON document of its own."""
    text_of = json.JSONEncoder(ensure_ascii=False).encode
    leaf = hashlib.sha256(b"\0" + texts["envelope"].encode("utf-8")).hexdigest()
    size = note.split("\n", 2)[1]
    members = (
        ("checkpoint", text_of(note)),
        ("content", texts["content"]),
        ("contentCanonical", "null" if values["content"] is None else text_of(texts["content"])),
        ("envelope", text_of(texts["envelope"])),
        ("index", str(values["number"] - 1)),
        ("leafHash", text_of(leaf)),
        ("path", texts["path"]),
        ("salt", texts["salt"]),
        ("treeSize", size),
    )
    return "{" + ",".join(f'"{name}":{text}' for name, text in members) + "}"


def verify(file: IO[bytes], trusted: Sequence[Key] = (), witnesses: Sequence[Key] = ()) -> Outcome:
    """Check the pack in an open file. Never raises Problem.

    `trusted`: the log's keys (`Key`) that the reader named. `witnesses`: keys of kind WITNESS_KEY to look for.
    """
    try:
        pack = Pack(file)
    except Problem as problem:
        return Outcome([Finding("container", False, problem.why, problem.where)])
    try:
        outcome = Verifier(pack, trusted, witnesses).run()
    except Problem as problem:
        return Outcome([Finding("container", False, problem.why, problem.where)])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        why = f"a value is missing or of another kind ({type(error).__name__})"
        return Outcome([Finding("manifest", False, why, MANIFEST)])
    outcome.findings.insert(0, Finding("container", True, "The zip has exactly the structure of a pack."))
    return outcome


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check an evidence pack, offline.")
    parser.add_argument("pack", help="the pack, a .zip file")
    parser.add_argument("--key", action="append", default=[], metavar="KEY", help="a verifier key that you trust")
    parser.add_argument("--witness", action="append", default=[], metavar="KEY", help="a witness's key to look for")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Check and print; returns the exit code."""
    asked = arguments().parse_args(argv)
    try:
        trusted = [Key(text, "--key") for text in asked.key]
        witnesses = [Key(text, "--witness", WITNESS_KEY) for text in asked.witness]
        with open(asked.pack, "rb") as file:
            outcome = verify(file, trusted, witnesses)
    except (OSError, Problem) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    if asked.json:
        shown = [finding.shown() for finding in outcome.findings]
        print(
            json.dumps(
                {"proven": outcome.proven, "trusted": outcome.trusted, "signer": outcome.signer, "findings": shown},
                indent=2,
            )
        )
    else:
        tell(outcome)
    return 0 if outcome.proven and outcome.trusted else 1


def plain(text: str) -> str:
    """The text without what could move a terminal's cursor: texts of a pack are others' words."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def tell(outcome: Outcome) -> None:
    """Print the findings for a person."""
    for finding in outcome.findings:
        place = "" if finding.where is None else finding.where + ": "
        print(f"{'ok' if finding.passed else 'FAILED':6} {plain(place + finding.sentence)}")
    if not outcome.proven:
        print("\nNOT PROVEN. The pack was changed, or is damaged, at the place named above.")
    elif not outcome.trusted:
        signer = plain(str(outcome.signer))
        print(
            f"\nNOT TRUSTED YET. All fits together, and is signed by\n  {signer}\nwhich you have not named as "
            "trusted. Get the log's key from its operator by another way;\nif it is this one, run again with "
            f"--key '{signer}'"
        )
    else:
        print("\nPROVEN, and signed by a key that you trust.")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
