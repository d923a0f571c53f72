"""What carries a message to a kind of target, and how it says what became of it."""

import uuid
from typing import NamedTuple, Protocol

from provenance.bus.messages.schemas import Row as Message
from provenance.bus.subscriptions.schemas import DeliveryRules
from provenance.bus.subscriptions.schemas import Row as Stored
from provenance.core.keyring import WorkspaceKeys


class Failed(Exception):
    """The message was not taken now; it may be later. ``retry_after`` is the seconds that the target asked for."""

    def __init__(self, said: str, *, retry_after: float = 0.0) -> None:
        super().__init__(said)
        self.said = said
        self.retry_after = retry_after


class Refused(Exception):
    """The message will never be taken: it is a dead letter at once."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class Task(NamedTuple):
    """One message for one subscription: as it is handed on, which attempt it is, and what is known of the target."""

    workspace_id: uuid.UUID
    subscription: Stored
    rules: DeliveryRules
    keys: WorkspaceKeys
    message: Message
    payload: str | None
    attempt: int


class Sender(Protocol):
    """Carries messages to one kind of target."""

    async def __call__(self, task: Task) -> str:
        """Hand a message over and return what the target said. Raises Failed and Refused."""
        ...
