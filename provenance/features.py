"""The table of contents: which URL prefix lives in which folder, and which modules bring tables and tasks.

`main` mounts the routes, the worker runs the tasks, migrations and tests read the tables; each finds the list here.
"""

from importlib import import_module

ROUTES: dict[str, tuple[str, ...]] = {
    "/api/resource-types": ("provenance.ledger.catalogue.routes",),
    "/api/actions": ("provenance.ledger.catalogue.routes",),
    "/api/origins": ("provenance.ledger.catalogue.routes",),
    "/api/interactions": ("provenance.ledger.interactions.routes", "provenance.ledger.interactions.listing_routes"),
    "/api/activity": ("provenance.ledger.activity.routes",),
    "/api/traces": ("provenance.ledger.traces.routes",),
    "/api/timeline": ("provenance.ledger.traces.routes",),
    "/api/interaction-fields": ("provenance.ledger.fields.routes",),
    "/api/analytics": ("provenance.ledger.analytics.routes",),
    "/platform/queue": ("provenance.ledger.queue.routes",),
}
"""URL prefix → the modules whose ``router`` serves it."""

TABLES = (
    "provenance.core.keyring",
    "provenance.ledger.tables",
    "provenance.workspace.tables",
    "provenance.identity.tables",
)

TASKS = ("provenance.ledger.fields.tasks",)
"""Modules whose ``@on`` handlers the worker feeds."""


def load_tables() -> None:
    """Import every module that defines tables, so that the metadata is complete."""
    for name in TABLES:
        import_module(name)


def load_tasks() -> None:
    """Import every module that listens to events."""
    for name in TASKS:
        import_module(name)
