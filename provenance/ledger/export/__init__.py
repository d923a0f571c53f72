"""Exports that carry proof: rows in seven formats, pinned to a signed head, streamed, resumable.

Owns no table: a stream can be made again from its cursor, byte for byte. Listens to no event.
"""
