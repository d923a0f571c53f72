"""Links: a mail's one-time way to a page on which one person decides one state of one approval without a sign-in.

Owns ``approval_links``, which holds no token but its digest (docs/decisions/0033). Opening a link changes nothing.
"""
