"""`/interactions`: record, read back, list, follow every page, record many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal

from provenance_client.api.answers import BatchAnswer, BatchItem, Interaction, Json, Page
from provenance_client.api.operation import Resource, Tr, operation, paged
from provenance_client.api.request import Request, camel, headers, json_request, present, query, segment
from provenance_client.content import encode, encode_interaction

Words = str | Sequence[str] | None
Outcome = Literal["success", "failure", "denied", "unknown"]


class Interactions(Resource[Tr], Generic[Tr]):
    """What happened: the rows of the ledger."""

    @operation
    def create(
        self,
        *,
        resource_id: str,
        resource_type: str | None = None,
        resource_type_id: str | None = None,
        action: str | None = None,
        action_id: str | None = None,
        origin: str | None = None,
        origin_id: str | None = None,
        interaction: Mapping[str, Any] | None = None,
        external_reference: str | None = None,
        external_response: Any = None,
        user_id: str | None = None,
        sequence_index: int | None = None,
        outcome: Outcome | None = None,
        on_behalf_of: Sequence[str] | None = None,
        related_resources: Sequence[Mapping[str, Any]] | None = None,
        changes: Sequence[Mapping[str, Any]] | None = None,
        corrects: str | None = None,
        uow_id: str | None = None,
        timestamp: datetime | str | None = None,
        span_id: str | None = None,
        parent_span_id: str | None = None,
        traceparent: str | None = None,
        idempotency_key: str | None = None,
    ) -> Request[Interaction]:
        """Record one interaction and wait until it is durable; answers the row.

        A mnemonic or the UUID of the same row is required for type, action and origin (the client's default
        origin stands in). With `idempotency_key`, or else `span_id`, a repetition answers the first row.
        Raises Conflict when the content differs.
        """
        fields = present(
            {
                "resource_id": resource_id,
                "resource_type": resource_type,
                "resource_type_id": resource_type_id,
                "action": action,
                "action_id": action_id,
                "origin": self._origin(origin, origin_id),
                "origin_id": origin_id,
                "interaction": interaction,
                "external_reference": external_reference,
                "external_response": external_response,
                "user_id": user_id,
                "sequence_index": sequence_index,
                "outcome": outcome,
                "on_behalf_of": on_behalf_of,
                "related_resources": related_resources,
                "changes": changes,
                "corrects": corrects,
            }
        )
        sent = headers(
            x_uowid=uow_id,
            x_interaction_timestamp=timestamp,
            x_span_id=span_id,
            x_parent_span_id=parent_span_id,
            traceparent=traceparent,
            idempotency_key=idempotency_key,
        )
        return json_request("POST", "/interactions", encode_interaction(fields), headers=sent)

    @operation
    def batch(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        mode: Literal["atomic", "partial"] = "atomic",
        idempotency_key: str | None = None,
    ) -> Request[BatchAnswer]:
        """Record many. An item's keys are `create`'s arguments or their wire spelling.

        `atomic`: all or none, at most 1,000. `partial`: each for itself, at most 10,000; the answer says
        per item what became of it (`read_batch`).
        """
        rows = [self._item(item) for item in items]
        return json_request(
            "POST",
            "/interactions/batch",
            encode({"items": rows}),
            params=query(mode="partial" if mode == "partial" else None),
            headers=headers(idempotency_key=idempotency_key),
        )

    create_many = batch

    @operation
    def get(self, interaction_id: str) -> Request[Interaction]:
        """One row by its `interactionId`. Raises NotFound."""
        return Request("GET", f"/interactions/{segment(interaction_id)}")

    @operation
    def delete(self, interaction_id: str) -> Request[Any]:
        """Erase the content of a row where the workspace allows it; else raises Conflict (`append_only`)."""
        return Request("DELETE", f"/interactions/{segment(interaction_id)}")

    @operation
    def list(
        self,
        *,
        resource_id: Words = None,
        resource_type: Words = None,
        resource_type_id: Words = None,
        action: Words = None,
        action_id: Words = None,
        origin: Words = None,
        origin_id: Words = None,
        interaction_id: str | None = None,
        user_id: str | None = None,
        uow_id: str | None = None,
        span_id: str | None = None,
        external_reference: str | None = None,
        outcome: str | None = None,
        related_resource_id: str | None = None,
        platform: Literal["only", "exclude"] | None = None,
        start_date: datetime | str | None = None,
        end_date: datetime | str | None = None,
        q: str | None = None,
        where: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        page: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Request[Page[Interaction]]:
        """One page, newest first. A type, action or origin may be a list; `resource_id="user-*"` is a
        prefix; `where` is CEL.

        Pass `pagination.nextCursor` of one page as `cursor` of the next, or let `iterate` do it.
        """
        arguments = {name: value for name, value in locals().items() if name != "self"}
        return Request("GET", "/interactions", params=query(**arguments))

    @paged
    def iterate(self, /, *, limit: int = 500, **filters: Any) -> Request[Page[Interaction]]:
        """Every row that matches, page after page by cursor. `filters` are those of `list`.

        `limit` is the page's size.
        """
        return Request("GET", "/interactions", params=query(limit=limit, **filters))

    def _origin(self, origin: str | None, origin_id: str | None) -> str | None:
        return origin or (None if origin_id else self.transport.settings.origin)

    def _item(self, item: Mapping[str, Any]) -> Json:
        row = {camel(name): value for name, value in item.items()}
        if origin := self._origin(row.get("origin"), row.get("originId")):
            row["origin"] = origin
        return row


def read_batch(answer: BatchAnswer) -> Sequence[BatchItem]:
    """What became of each item of a batch, in the order they were given."""
    return sorted(answer["items"], key=lambda item: item["index"])
