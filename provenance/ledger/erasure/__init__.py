"""Erasure: content and salts destroyed, envelopes kept, each time with a signed certificate (spec/proof.md, 6).

Owns `erasures` and `erasure_ranges`, and with its subjects `legal_holds` and `retention_policies`; listens to no
event. What was erased is also written down outside the database, so that a restored backup is put right.
"""
