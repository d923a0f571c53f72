"""Figures over interactions: counted, summed and grouped by the database in one statement (spec/ledger.md, 4).

Owns no table; the known fields come from `provenance.ledger.fields`.
"""
