"""What can go wrong with words."""

from provenance.core.errors import Conflict, Invalid, NotFound


class WordNotFound(NotFound):
    """No such word of this kind in the workspace."""

    code = "not_found"


class MnemonicTaken(Conflict):
    """Another word of this kind has the mnemonic, whatever its case."""

    code = "mnemonic_taken"


class MnemonicImmutable(Conflict):
    """Envelopes carry the mnemonic, so it never changes."""

    code = "mnemonic_immutable"


class SystemWord(Conflict):
    """The platform's own words can't be changed or deleted."""

    code = "system_word"


class WordInUse(Conflict):
    """Interactions name the word."""

    code = "in_use"


class BadMnemonic(Invalid):
    """The mnemonic has a form that is not allowed."""

    code = "bad_mnemonic"
