"""Schemas of payloads, by topic pattern, in versions. Owns ``bus_schemas`` and ``bus_schema_versions``."""
