"""Logs of steps while they run, from the worker that carries a run to the servers where somebody watches it.

A worker listens at an address that stands in its row of `engine_workers`; a server connects to it for one run, shows
that it has the workspace's keys, and is sent what the run's steps write (`telling`, `following`). Every message is
sealed with those keys (`wire`). Nothing is stored and nothing waits: what a slow server has no room for is left out,
which the lines' ``offset`` shows, and the whole log is the step's once it has ended (spec/automation.md, 10).
"""
