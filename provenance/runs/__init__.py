"""Runs: one execution of a published version of a workflow, from its start to its end (spec/automation.md, 4.9, 6.5).

The rows are the engine's (`provenance.engine.tables`); here stands what they mean: starting, carrying on, cancelling,
replaying, reading. Listens to no event; the worker keeps `tasks.run` running.
"""
