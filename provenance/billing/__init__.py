"""Billing: what a workspace uses, counted from the ledger (spec/automation.md, 5.14). Self-hosted: nobody is billed.

Owns no tables: the plan is ``self_hosted``, without limits, and everything that is counted is recorded anyway.
"""
