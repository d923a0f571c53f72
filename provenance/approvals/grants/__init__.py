"""Delegated grants: a person lets a class of requests pass, or another decide for them, for a while (9.4).

A grant counts once the second person that it names has confirmed it, signed in or by a link that works once. Never
for critical risk. `matching` says what a grant covers, `using` is what requests ask. Owns the table `approval_grants`.
"""
