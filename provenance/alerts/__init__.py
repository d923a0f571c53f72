"""Alerts on the ledger: saved rules over a workspace's interactions, and who is firing now.

Owns ``alert_rules`` and ``alert_states``. Listens to every interaction: `following` hands rows by number to the rules
that want them, what they remember commits with the cursor, and `timing` lets time pass where nothing happens. The
kinds of rules are in `windows`, which knows no database; `previewing` asks what a rule would have found.
"""
