"""Who holds a master key outside of the data folder: those whom the settings name."""

from provenance.core.aws_kms import kms_of
from provenance.core.master_keys import Holder, KeyringError
from provenance.core.settings import Settings
from provenance.core.vault import vault_of

_NEEDED = {
    "vault": "PROVENANCE_VAULT_URL has to say where it is",
    "aws-kms": "PROVENANCE_AWS_KMS_KEY has to say which key it is",
}


def holders_of(settings: Settings) -> dict[str, Holder]:
    """Return who can open, by the word of the setting ``master_key``. Raises KeyringError for a setting that is wrong.

    One that is named but wraps nothing from now on is among them: data keys are moved from one to the other.
    """
    named: dict[str, Holder | None] = {"vault": vault_of(settings), "aws-kms": kms_of(settings)}
    return {word: holder for word, holder in named.items() if holder is not None}


def wrapping(settings: Settings, holders: dict[str, Holder]) -> Holder | None:
    """Return who wraps from now on; None when a file does. Raises KeyringError when the settings don't name them."""
    if settings.master_key == "file":
        return None
    if settings.master_key not in holders:
        raise KeyringError(f"PROVENANCE_MASTER_KEY is {settings.master_key}, so {_NEEDED[settings.master_key]}")
    return holders[settings.master_key]
