"""What each person was told in a workspace, kept until it is read or old, and how they want to be told by mail.

Owns ``notification_inbox`` and ``notification_preferences``. Approvals put in what they ask of somebody, rules of
the settings what they tell on the channel ``inApp``; a digest mails what is still unread.
"""
