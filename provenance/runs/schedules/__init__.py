"""Schedules: at its times a workflow's trigger starts a run (spec/engine.md, Schedules).

`slots` decides which times are due and which of them still start a run, `service` moves a schedule on and starts its
runs in one transaction, `tasks` does so in the worker as long as it lives. The rows are the workflows' (their
``workflow_triggers``), so they change in the transaction that publishes, switches or takes back.
"""
