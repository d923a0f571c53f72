"""Approvals: what is asked of people, what they decided, and the proof of it.

A run that comes to a gate hands over a question in the transaction that parks it (`asking`); people decide over HTTP
(`service`), and each decision is signed over what it approves (`binding`), so that the run checks a signature and
not a flag in a row. Knows no run: it settles the wait whose token it was handed. Owns the tables `approvals`,
`approval_revisions`, `approval_decisions` and `approval_comments`; listens to `member.removed` and `member.erased`.
"""
