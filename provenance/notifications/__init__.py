"""Who is told of which events, by mail or webhook, and when not.

Owns ``notification_settings`` and ``notification_deliveries``. Listens to every event of
`schemas.NotifiableEvent`: a feature that records one of them need do nothing more to have people told.
`rules` decides, `sending` is the worker's side; `digest` is the audit by mail.
"""
