"""What a step's request carries and nobody is shown: a connection's credential, or a secret in one header.

Both are put on at the last moment, recorded as used, and taken out of whatever comes back.
"""

from typing import NamedTuple

from provenance.connections.known import Known
from provenance.connections.running import Connections, Request
from provenance.core.actor import Actor, Kind
from provenance.core.egress import Egress, Reply
from provenance.ledger.service import Ledger
from provenance.runs.doers.contract import Call
from provenance.runs.events import SYSTEM, workflow_wire_id
from provenance.secrets import service as secrets
from provenance.secrets.schemas import Purpose

_CARRYING = frozenset({"connectionId", "secretId"})
"""Members by which a step sends what may have been kept only a moment ago."""


class Sent(NamedTuple):
    """A request as the configuration has it, without any credential."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class Credentials:
    """The way out for steps, with what they are allowed to carry."""

    def __init__(self, ledger: Ledger, egress: Egress, connections: Connections, known: Known) -> None:
        """Take the running ledger for secrets, the way out, the connections, and what is known as secret."""
        self._ledger = ledger
        self._egress = egress
        self._connections = connections
        self._known = known

    async def send(self, call: Call, sent: Sent) -> Reply:
        """Send a step's request with what its configuration names; no secret of the workspace is in the answer.

        Raises EgressError when no whole answer came, and the problems of connections and secrets before anything is
        sent.
        """
        mask = await self._known.mask(call.workspace_id, now=not call.config.keys().isdisjoint(_CARRYING))
        reply = await self._carried(call, sent)
        headers = {name: mask.text(value) for name, value in reply.headers.items()}
        return Reply(reply.status, headers, await mask.raw_aside(reply.body))

    async def _carried(self, call: Call, sent: Sent) -> Reply:
        if "connectionId" in call.config:
            request = Request(*sent)
            name, purpose = str(call.config["connectionId"]), purpose_of(call)
            return await self._connections.call(actor_of(call), name, request, purpose, seconds=call.seconds)
        if "secretId" in call.config:
            return await self._with_secret(call, sent)
        return await self._request(call, sent, sent.headers)

    async def secret(self, call: Call) -> secrets.Used:
        """Return the secret that the configuration names, and record that it is used. Raises SecretNotFound."""
        keys = await self._ledger.keyring.of(call.workspace_id)
        async with self._ledger.db.write(actor_of(call)) as tx:
            return await secrets.use(tx, keys, str(call.config["secretId"]), purpose_of(call))

    async def _with_secret(self, call: Call, sent: Sent) -> Reply:
        used = await self.secret(call)
        name = str(call.config.get("secretHeader", "Authorization"))
        before = call.config.get("secretPrefix", "Bearer " if name.lower() == "authorization" else "")
        headers = {own: value for own, value in sent.headers.items() if own.lower() != name.lower()}
        reply = await self._request(call, sent, {**headers, name: f"{before}{used.text}"})
        shown = {own: used.mask.text(value) for own, value in reply.headers.items()}
        return Reply(reply.status, shown, used.mask.raw(reply.body))

    async def _request(self, call: Call, sent: Sent, headers: dict[str, str]) -> Reply:
        return await self._egress.request(sent.method, sent.url, headers=headers, body=sent.body, seconds=call.seconds)


def actor_of(call: Call) -> Actor:
    """Return who acts for a run: the platform, in its workspace."""
    return Actor(Kind(SYSTEM[1]), SYSTEM[0], call.workspace_id)


def purpose_of(call: Call) -> Purpose:
    """Return what a credential is used for: the workflow."""
    return Purpose("workflow", workflow_wire_id(call.workflow_id))
