"""Billing in a running process: the payment provider."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from provenance.billing import service
from provenance.billing.errors import PaymentsAway
from provenance.billing.paying import Payments
from provenance.core.db import ReadTx
from provenance.core.egress import Egress
from provenance.ledger.service import Ledger

log: Any = structlog.get_logger("billing")


class Billing:
    """What the server needs of billing."""

    def __init__(self, ledger: Ledger, egress: Egress, stored: Callable[[ReadTx], Awaitable[int]]) -> None:
        """Take the ledger, the client for calls out, and what knows how many bytes a workspace stores.

        Raises ValueError where the payment provider can't be used.
        """
        self.stored = stored
        self.payments = Payments.of(ledger.settings, egress)
        self.public_url = ledger.settings.public_url
        self._ledger = ledger

    async def freshen(self, workspace_id: uuid.UUID) -> None:
        """Ask the provider how the workspace stands, unless that is known; what is known is kept where it is away."""
        if self.payments is None:
            return
        try:
            await service.refresh(self._ledger.db, self.payments, workspace_id)
        except PaymentsAway as error:
            log.warning("payments_away", detail=error.detail)
