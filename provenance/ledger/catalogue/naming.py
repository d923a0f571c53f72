"""How words are named and, made on the fly, look."""

import colorsys
import re
from hashlib import sha256

from provenance.core.ids import parse_uuid

MNEMONIC = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_BREAKS = re.compile(r"[_.\-]+")


def mnemonic_issue(text: str) -> str | None:
    """Say what is wrong with a mnemonic; None when nothing is."""
    if MNEMONIC.fullmatch(text) is None:
        return "must be 1 to 64 of the letters A–Z, a–z, digits, underscore, dot and hyphen"
    if parse_uuid(text) is not None:
        return "must not look like a UUID; ids go in the field ending in Id"
    return None


def title_of(mnemonic: str) -> str:
    """Return the title of a word made on the fly: ``USER_ACCOUNT`` reads User Account."""
    return " ".join(part[:1].upper() + part[1:].lower() for part in _BREAKS.split(mnemonic) if part) or mnemonic


def colour_of(mnemonic: str) -> str:
    """Return a background colour derived from the name, dark enough for white letters."""
    hue = int.from_bytes(sha256(mnemonic.lower().encode()).digest()[:2], "big") / 65_536
    red, green, blue = colorsys.hls_to_rgb(hue, 0.38, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
