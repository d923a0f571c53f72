"""A stream's filter in the ids of one workspace."""

import uuid

from provenance.audit.service import words_of
from provenance.ledger.catalogue.cache import Catalogue, Kind
from provenance.streams.queries import Matching
from provenance.streams.schemas import Filter


def matching_of(asked: Filter, catalogue: Catalogue) -> Matching:
    """Return what the statements narrow to; event types that never happened here match nothing."""
    return Matching(
        domains=asked.domains or None,
        risks=None if asked.min_risk is None else [risk.value for risk in asked.risks],
        words=[ids for each in asked.event_types if (ids := _ids(each, catalogue))] if asked.event_types else None,
    )


def _ids(event_type: str, catalogue: Catalogue) -> tuple[uuid.UUID, uuid.UUID] | None:
    subject, verb = words_of(event_type)
    resource_type, action = catalogue.named(Kind.RESOURCE_TYPE, subject), catalogue.named(Kind.ACTION, verb)
    return None if resource_type is None or action is None else (uuid.UUID(resource_type.id), uuid.UUID(action.id))
