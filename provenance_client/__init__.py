"""The Python client of Provenance: record what happens without waiting for it, and read it back.

`create` / `create_sync` record through a spool on disk; `Client` / `AsyncClient` speak the REST API directly.
Imports nothing of the server.
"""

from provenance_client.api.answers import (
    BatchItem,
    CatalogueRow,
    Interaction,
    Page,
    Pagination,
    QueueConfig,
    Trace,
)
from provenance_client.api.client import Api, AsyncClient, Client
from provenance_client.api.interactions import read_batch
from provenance_client.errors import (
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ProvenanceError,
    RateLimited,
    ServerError,
    SpoolError,
    SpoolFull,
    TooLarge,
    Unreachable,
)
from provenance_client.logging_handler import ProvenanceHandler
from provenance_client.middleware import ProvenanceMiddleware
from provenance_client.provenance import Provenance, Recording, SyncProvenance, create, create_sync
from provenance_client.recording.dead_letters import DeadLetter
from provenance_client.recording.fields import LogFields
from provenance_client.recording.options import Options, RecordingOptions
from provenance_client.recording.recorder import Stats
from provenance_client.recording.scope import UnitOfWork
from provenance_client.recording.span import Span
from provenance_client.settings import ClientSettings

__all__ = [
    "Api",
    "AsyncClient",
    "BatchAnswer",
    "BatchItem",
    "CatalogueRow",
    "Client",
    "ClientSettings",
    "Conflict",
    "DeadLetter",
    "Interaction",
    "InvalidRequest",
    "LogFields",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Options",
    "Page",
    "Pagination",
    "Provenance",
    "ProvenanceError",
    "ProvenanceHandler",
    "ProvenanceMiddleware",
    "QueueConfig",
    "RateLimited",
    "Recording",
    "RecordingOptions",
    "ServerError",
    "Span",
    "SpoolError",
    "SpoolFull",
    "Stats",
    "SyncProvenance",
    "TooLarge",
    "Trace",
    "UnitOfWork",
    "Unreachable",
    "create",
    "create_sync",
    "read_batch",
]
