"""What can go wrong when interactions are recorded in bulk or taken back."""

from provenance.core.errors import Conflict, Invalid


class BatchTooLarge(Invalid):
    """More items than one batch may hold."""

    code = "batch_too_large"


class BatchRefused(Invalid):
    """An all-or-nothing batch with items that are not valid; nothing of it was stored."""

    code = "invalid_batch"


class AppendOnly(Conflict):
    """The ledger keeps what was recorded."""

    code = "append_only"
