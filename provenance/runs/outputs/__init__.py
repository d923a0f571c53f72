"""Large outputs of steps: over 256 KiB they leave the database for the object store (spec/engine.md, limits).

An output is committed with its step, as part of the row, so that nothing is lost whatever dies. Soon after, a worker
moves what is large: bytes first, then the row is told where they are. Until the move, and after it, the output reads
the same on the wire: as an address of its own.
"""
