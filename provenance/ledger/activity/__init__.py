"""Activity: what people did, grouped by user and unit of work.

Owns no table and listens to nothing; reads the ledger's interactions.
"""
