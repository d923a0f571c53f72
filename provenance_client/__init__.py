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
from provenance_client.settings import ClientSettings

__all__ = [
    "Api",
    "AsyncClient",
    "BatchItem",
    "CatalogueRow",
    "Client",
    "ClientSettings",
    "Conflict",
    "Interaction",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Page",
    "Pagination",
    "ProvenanceError",
    "QueueConfig",
    "RateLimited",
    "ServerError",
    "SpoolError",
    "SpoolFull",
    "TooLarge",
    "Trace",
    "Unreachable",
    "read_batch",
]
