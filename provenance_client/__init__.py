"""The Python client of Provenance (spec: Python SDK)."""
