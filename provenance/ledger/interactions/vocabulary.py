"""The words that the items of one request may use."""

import uuid

from provenance.core.errors import Invalid
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.interactions import reading
from provenance.ledger.interactions.reading import Words
from provenance.ledger.interactions.schemas import InteractionCreate
from provenance.ledger.service import Ledger


class Vocabulary:
    """A workspace's catalogue for one request, read anew once when it seems to lack a word.

    What this process remembers may be a second old: another process may have made the word meanwhile.
    """

    def __init__(self, ledger: Ledger, workspace_id: uuid.UUID, catalogue: Catalogue) -> None:
        """Take the ledger to ask, the workspace, and its catalogue as remembered."""
        self._ledger = ledger
        self._workspace_id = workspace_id
        self._fresh = False
        self.catalogue = catalogue

    @classmethod
    async def of(cls, ledger: Ledger, workspace_id: uuid.UUID) -> "Vocabulary":
        """Return the vocabulary of a workspace."""
        return cls(ledger, workspace_id, await ledger.catalogues.of(workspace_id))

    async def resolve(self, body: InteractionCreate, *, at: str = "") -> Words:
        """Find the words that a submission names. Raises what `reading.resolve` and `refuse_unknown` raise."""
        try:
            words = reading.resolve(body, self.catalogue, at=at)
            if self._fresh or not words.missing:
                reading.refuse_unknown(words, self.catalogue, at=at)
                return words
        except Invalid as problem:
            if self._fresh or problem.code != "unknown_id":
                raise
        self.catalogue, self._fresh = await self._ledger.catalogues.refreshed(self._workspace_id), True
        return await self.resolve(body, at=at)
