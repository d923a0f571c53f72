"""`provenance up`: the embedded database, the server and the worker as one tree of processes.

The parent (`supervisor`) lives as long as everything else and does almost nothing, so it imports almost
nothing: no framework, no driver. `python -m provenance.up` is that parent; with `serve` or
`worker` behind it, one of its children (`processes`). What it is told comes from environment variables
(`plan`).
"""
