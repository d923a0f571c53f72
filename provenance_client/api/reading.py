"""The other ways to read the ledger: traces, activity, fields, analytics.

And health and the queue's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic

from provenance_client.api.answers import Json, Page, QueueConfig, Trace
from provenance_client.api.operation import Resource, Tr, operation
from provenance_client.api.request import Request, body, json_request, query, segment


class Traces(Resource[Tr], Generic[Tr]):
    """Everything that belongs together with a resource or a unit of work; `id` is either's."""

    @operation
    def get(self, id: str, *, limit: int | None = None, cursor: str | None = None) -> Request[Trace]:
        """Summary, interactions (oldest first) and their tree. Raises NotFound."""
        return Request("GET", f"/traces/{segment(id)}", params=query(limit=limit, cursor=cursor))

    @operation
    def summary(self, id: str) -> Request[Json]:
        """Counts, duration, origins, users and outcomes."""
        return Request("GET", f"/traces/{segment(id)}/summary")

    @operation
    def timeline(self, id: str) -> Request[Any]:
        """Interactions grouped where they overlap in time."""
        return Request("GET", f"/traces/{segment(id)}/timeline")


class Activity(Resource[Tr], Generic[Tr]):
    """What people did, grouped by user and unit of work."""

    @operation
    def search(
        self,
        *,
        resources: Sequence[Mapping[str, Any]] | None = None,
        user_id: str | None = None,
        uow_id: str | None = None,
        action: str | None = None,
        resource_type: str | None = None,
        start_date: datetime | str | None = None,
        end_date: datetime | str | None = None,
        json: Sequence[Mapping[str, Any]] | None = None,
        filters: Mapping[str, Any] | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> Request[Page[Json]]:
        """At least one filter. `resources`: `{"resourceId", "resourceType"}`; `json`.

        `{"path", "op", "value"}`, any of them.
        """
        arguments = {name: value for name, value in locals().items() if name != "self"}
        dates = {"from": arguments.pop("start_date"), "to": arguments.pop("end_date")}
        return json_request("POST", "/activity/search", body(**arguments, **dates))


class Fields(Resource[Tr], Generic[Tr]):
    """The JSON paths seen in the free JSON of interactions."""

    @operation
    def list(self, *, resource_type: str | None = None, action: str | None = None) -> Request[Any]:
        """Paths with their types and counts."""
        return Request("GET", "/interaction-fields", params=query(resource_type=resource_type, action=action))


class Analytics(Resource[Tr], Generic[Tr]):
    """Counts and measures over many interactions."""

    @operation
    def query(
        self,
        *,
        metrics: Sequence[str | Mapping[str, Any]],
        dimensions: Sequence[str | Mapping[str, Any]] | None = None,
        filters: Mapping[str, Any] | None = None,
        time_range: Mapping[str, Any] | None = None,
    ) -> Request[Any]:
        """One aggregate; metrics are `"count"` or `{"op", "field"}`.

        Raises InvalidRequest (`narrow_the_range`) after 5 s.
        """
        content = body(metrics=metrics, dimensions=dimensions, filters=filters, time_range=time_range)
        return json_request("POST", "/analytics/query", content)

    @operation
    def discover(self) -> Request[Any]:
        """What can be measured here."""
        return Request("GET", "/analytics/discover")


class Queue(Resource[Tr], Generic[Tr]):
    """The managed queue, for SDKs that push."""

    @operation
    def config(self) -> Request[QueueConfig]:
        """Where to push, and with which token."""
        return Request("GET", "/platform/queue/config", at_root=True)
