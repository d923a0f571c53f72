"""Durable dispatch on PostgreSQL: claims, leases, an epoch fence, waits, timers, group-committed checkpoints.

It knows rows of runs, steps and waits, and no feature: what a step does is the business of `provenance.runs`.
Owns the tables `runs`, `run_steps`, `run_waits` and `engine_workers`.
"""
