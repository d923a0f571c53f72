"""The command line: `provenance track|search|trace|uow|config|import|…`.

It only calls the client library `provenance_client`; the server's own commands (`up`, `serve`, …) live in
`server.py`.
Results go to stdout, messages to stderr; exit 0 only on success, 1 refused, 2 usage, 3 unreachable (spec:
Command line).
"""
