"""What a sender is answered, and what webhooks record."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from provenance.runs.schemas import RunStatus


class WebhookEvent(StrEnum):
    """What can happen at a webhook's address beside the start of a run."""

    SIGNATURE_INVALID = "webhook.signature_invalid"


class WebhookAccepted(BaseModel):
    """The run that a request started, or that the first request of this delivery did."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    run_id: str
    status: RunStatus
