"""What can go wrong with the sandbox itself; what goes wrong with a call is in its outcome."""

from provenance.core.errors import Conflict, Unavailable


class RuntimeUnavailable(Conflict):
    """This machine has no such runtime, or its kernel can't confine what runs in it."""

    code = "runtime_unavailable"


class SandboxBusy(Unavailable):
    """Too many calls wait for a place in the sandbox."""

    code = "sandbox_busy"
