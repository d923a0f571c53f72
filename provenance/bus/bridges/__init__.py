"""Bridges to NATS JetStream: its subjects become topics, and topics its subjects, by rules of a workspace.

A bridge is one rule in one direction. `working` takes bridges in hand, `connecting` speaks to the servers through the
guard of what leaves here, `consuming` and `sending` are the two directions. Owns the tables ``bus_bridge…``.
"""
