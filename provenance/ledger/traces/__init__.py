"""Traces: everything that belongs together with a resource or a unit of work.

Owns no table and listens to nothing; reads the ledger's interactions.
"""
