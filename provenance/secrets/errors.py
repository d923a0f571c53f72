"""What can go wrong with secrets. No text here ever holds a value."""

from collections.abc import Sequence
from typing import Self

from provenance.core.errors import Conflict, Detail, Invalid, NotFound

NAMED = 20


class SecretNotFound(NotFound):
    """No secret of this workspace has the id or the name."""

    code = "secret_not_found"


class SecretNameTaken(Conflict):
    """Another secret of the workspace has the name."""

    code = "secret_name_taken"


class InUse(Conflict):
    """Something works with it, so it can't be deleted; the error names what does."""

    code = "in_use"

    @classmethod
    def by(cls, what: str, users: Sequence[tuple[str, str]]) -> Self:
        """Name those who use it, each as its kind and its id; of many the first twenty."""
        named = ", ".join(f"{kind} {user}" for kind, user in users[:NAMED])
        more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
        details = [Detail(path=kind, issue=user) for kind, user in users[:NAMED]]
        return cls(f"{what} is in use by {named}{more}.", details=details)


class SecretInUse(InUse):
    """Something refers to the secret; ``usedBy`` of the secret says what."""


class SecretTooLarge(Invalid):
    """The value of a secret has more than 64 KiB."""

    code = "secret_too_large"


class SecretValueNeeded(Invalid):
    """This secret is not generated, so its new value has to be sent."""

    code = "secret_value_needed"


class SecretValueUnfit(Invalid):
    """The value is not of the kind that the secret's type says."""

    code = "secret_value_unfit"


class NotGenerated(Invalid):
    """Values of this type are made by someone else, so they can't be generated here."""

    code = "secret_not_generated"


class RotationRunning(Conflict):
    """Another request is rotating this secret right now."""

    code = "rotation_running"


class BadReference(Invalid):
    """A text refers to a secret in a form that is none: it is written ``{{secrets.NAME}}``."""

    code = "bad_secret_reference"
