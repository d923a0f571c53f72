"""Webhooks: a signed request from outside starts a run (spec/automation.md, row 131 and section 12).

`schemes` is how senders sign, `service` takes a request in, `refusals` puts bad signatures on record. Owns the table
``webhook_deliveries``, in which a delivery that comes twice is found again; the secrets are the workflows'.
"""
