"""Billing: what a workspace uses, counted from the ledger, and who pays (spec/automation.md, 5.14).

Self-hosted, nobody is billed: the plan is ``self_hosted``, without limits unless ``PROVENANCE_PLAN_LIMITS`` sets some.
With a Stripe key the plan is that of the workspace's subscription. Owns the tables ``usage_months``, ``usage_counted``
and ``billing_customers``. `allowing` is asked by whoever uses up what is counted by the month: the bus and the runs.
"""
