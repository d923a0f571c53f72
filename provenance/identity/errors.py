"""What can go wrong when people and keys are made."""

from provenance.core.errors import Invalid


class WeakKey(Invalid):
    """An API key that is too short, or of another form than pv_<id>_<secret>."""

    code = "weak_api_key"


class WeakPassword(Invalid):
    """A password that is too short."""

    code = "weak_password"
