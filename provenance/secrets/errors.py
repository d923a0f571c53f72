"""What can go wrong with secrets. No text here ever holds a value."""

from provenance.core.errors import Conflict, Invalid, NotFound


class SecretNotFound(NotFound):
    """No secret of this workspace has the id or the name."""

    code = "secret_not_found"


class SecretNameTaken(Conflict):
    """Another secret of the workspace has the name."""

    code = "secret_name_taken"


class SecretInUse(Conflict):
    """Something refers to the secret; ``usedBy`` of the secret says what."""

    code = "in_use"


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
