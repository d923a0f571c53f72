"""Who is calling: a plain value made at the door, so that no feature asks `identity` about a permission."""

import uuid
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class Scope(StrEnum):
    """The sixteen things an API key may be allowed to do (DESIGN section 4)."""

    INTERACTIONS_READ = "interactions:read"
    INTERACTIONS_WRITE = "interactions:write"
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_WRITE = "connections:write"
    DATA_READ = "data:read"
    DATA_WRITE = "data:write"
    BUS_READ = "bus:read"
    BUS_WRITE = "bus:write"
    APPROVALS_READ = "approvals:read"
    AUDIT_READ = "audit:read"


class Role(IntEnum):
    """A person's role in a workspace; a higher one includes the lower ones."""

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3


class Kind(StrEnum):
    """What kind of caller acts."""

    KEY = "key"
    PERSON = "person"
    SYSTEM = "system"
    QUEUE = "queue"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Actor:
    """One authenticated caller in one workspace.

    ``id`` is what the ledger keeps as ``recordedBy``: a key's or a person's id, never a name or an address.
    Of a person also the groups (such as ``approvers``), the session, and when its password, passkey or identity
    provider was last asked for, in nanoseconds since the epoch: ``identity.access.person(fresh=True)`` reads that, and
    how many minutes the workspace calls fresh (None: the installation's setting).
    ``networks`` are those that a key may be used from; None, as for nearly all, is from anywhere. ``topics`` are the
    patterns of what a key of the bus may publish to or pull; None, as for all others, is any topic.
    """

    kind: Kind
    id: str
    workspace_id: uuid.UUID
    workspace: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)
    role: Role | None = None
    groups: frozenset[str] = frozenset()
    person: uuid.UUID | None = None
    session: uuid.UUID | None = None
    signed_in_at: int = 0
    fresh_login_minutes: int | None = None
    networks: tuple[Network, ...] | None = None
    topics: tuple[str, ...] | None = None

    def may(self, scope: Scope | None, role: Role) -> bool:
        """Tell whether a key with this scope (None: no key), or a person of at least this role, may pass."""
        return scope in self.scopes or (self.role is not None and self.role >= role)

    def may_come_from(self, address: str | None) -> bool:
        """Tell whether a request may come from this client's address; one without an address only from anywhere."""
        if self.networks is None:
            return True
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.networks)

    @property
    def reads_platform_rows(self) -> bool:
        """Whether platform rows show their content to this caller (spec/ledger.md, 4)."""
        return Scope.AUDIT_READ in self.scopes or (self.role is not None and self.role >= Role.EDITOR)
