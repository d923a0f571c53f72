"""The REST API, one class per resource, each method written once for both transports.

A method of a resource builds a `Request` (a value) and performs nothing. The `operation` descriptor hands
that value to the transport of the client it was called on: `Client` answers, `AsyncClient` answers when
awaited.
"""
