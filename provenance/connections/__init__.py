"""Connections: credentials for outside services, put on a call only where it leaves (spec/automation.md, 5.7).

Owns `connections`, `connection_authorizations` and `connection_references`; listens to no event. `integrations` is
the list of services, as data; `oauth` speaks the protocol; `running` is what other features call.
"""
