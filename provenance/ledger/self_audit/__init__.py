"""The ledger checks itself: a job re-reads every value against what was signed, and raises the alarm.

Owns `self_audits` and `ledger_incidents`; listens to no event. Spec/proof.md, section 7.
"""
