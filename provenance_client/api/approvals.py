"""Approvals: what people are asked by runs, and what they decide.

Deciding needs a person's `token`; a key with `approvals:read` may read.
"""

from __future__ import annotations

from typing import Any, Generic

from provenance_client.api.answers import Json
from provenance_client.api.operation import Resource, Tr, operation
from provenance_client.api.request import JSON, Request, present, query, segment
from provenance_client.content import encode

_UNSET: Any = object()


class Approvals(Resource[Tr], Generic[Tr]):
    """Requests to people, and their decisions."""

    @operation
    def list(
        self,
        *,
        status: str | None = None,
        risk: str | None = None,
        assignee: str | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Request[Json]:
        """A page, newest first: `items` and `nextCursor`. `assignee="me"`: assigned to who asks."""
        arguments = {name: value for name, value in locals().items() if name != "self"}
        return Request("GET", "/approvals", params=query(**arguments), at_root=True)

    @operation
    def get(self, approval_id: str) -> Request[Json]:
        """One, with payload, evidence, decisions and the statement that a decision signs. Raises NotFound."""
        return Request("GET", f"/approvals/{segment(approval_id)}", at_root=True)

    @operation
    def update(
        self,
        approval_id: str,
        *,
        payload: Any = _UNSET,
        assignees: Any = None,
        sla_minutes: int | None = None,
    ) -> Request[Json]:
        """Change it; another payload or assignees void the decisions so far. Raises Conflict when it is decided."""
        body = _with_payload(payload, assignees=assignees, sla_minutes=sla_minutes)
        return _sent("PATCH", f"/approvals/{segment(approval_id)}", body)

    @operation
    def approve(
        self,
        approval_id: str,
        *,
        comment: str | None = None,
        payload: Any = _UNSET,
        payload_revision: int | None = None,
    ) -> Request[Json]:
        """Approve; `payload_revision` is what was read. Raises Conflict when it was decided or changed meanwhile."""
        body = _with_payload(payload, comment=comment, payload_revision=payload_revision)
        return _sent("POST", f"/approvals/{segment(approval_id)}/approve", body)

    @operation
    def reject(self, approval_id: str, *, comment: str, payload_revision: int | None = None) -> Request[Json]:
        """Reject, and say why. Raises Conflict when it is decided."""
        body = present({"comment": comment, "payload_revision": payload_revision})
        return _sent("POST", f"/approvals/{segment(approval_id)}/reject", body)

    @operation
    def comment(self, approval_id: str, *, text: str) -> Request[Json]:
        """Add a remark."""
        return _sent("POST", f"/approvals/{segment(approval_id)}/comments", {"text": text})


def _with_payload(payload: Any, **arguments: Any) -> dict[str, Any]:
    """A body whose payload may be null: one that was not given is left out."""
    return present(arguments) | ({} if payload is _UNSET else {"payload": payload})


def _sent(method: str, path: str, body: dict[str, Any]) -> Request[Json]:
    return Request(method, path, headers=JSON, content=encode(body), at_root=True)
