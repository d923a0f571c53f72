"""Streams of the audit to other systems: SIEMs, collectors, object stores, webhooks.

Owns ``audit_streams`` and ``audit_stream_cursors``. Listens to no event: each stream has a cursor over the numbers of
its workspace, which moves when the target has acknowledged what was sent, so every event arrives at least once, in
order. `targets` speaks the protocols, `planning` reads what is next, `delivering` is the worker's side.
"""
