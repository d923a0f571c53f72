"""Live updates: one WebSocket (`/ws`) and its twin in server-sent events (`/events`) over the ledger's feed.

A process has one reader of each workspace that is watched (`stream`), whatever the number of connections; what a
channel shows of a row is said once (`frames`) and shared by all who asked for the same. The interaction's number is
the only cursor: who comes back with the last one seen loses nothing and gets nothing twice. Owns no tables.
"""
