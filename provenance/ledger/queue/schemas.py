"""What a queue client is told."""

from pydantic import BaseModel


class QueueConfig(BaseModel):
    """Where to push, with which token, and where the API is. Field names as on the wire."""

    provisioned: bool
    queueUrl: str  # noqa: N815 — the wire's spelling
    queueToken: str  # noqa: N815 — the wire's spelling
    apiUrl: str  # noqa: N815 — the wire's spelling
