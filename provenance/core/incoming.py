"""Where a request came from, for what it records: set while a route runs, read when its facts are sealed."""

from contextvars import ContextVar
from typing import NamedTuple

USER_AGENT_KEPT = 512


class Origin(NamedTuple):
    """The address and program of a caller, and the id of their request. Erasable content of what it records."""

    ip: str | None
    user_agent: str | None
    request_id: str


ORIGIN: ContextVar[Origin | None] = ContextVar("request_origin", default=None)
