"""Checking what a ledger claims: proofs, packs and whole logs, against the keys that a person names."""
