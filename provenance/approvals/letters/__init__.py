"""Letters: each person of whom an approval is asked is told so, in their inbox and by a mail of their own.

Owns ``approval_letters``, the mails still to be sent. Listens to the events of approvals that ask somebody anew:
requested, overdue, escalated, changed, reassigned. Each mail carries a link of `approvals.links`.
"""
