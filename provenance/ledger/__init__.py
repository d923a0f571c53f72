"""The ledger: numbered, append-only interactions with their catalogue, lists, traces and figures.

Owns the tables of `tables.py`; the other features record through `service.record`. Nested by subject: `catalogue`,
`interactions`, `queue`, `traces`, `activity`, `analytics`, `fields`. `lane` commits groups of entries, `feed` hands
committed rows to `@on` handlers by number.
"""
