"""Provenance: the ledger of what software, people and AI agents do, and the control plane over it."""

__version__ = "0.1.0"
