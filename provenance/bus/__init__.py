"""The bus: messages by topic, and who gets them.

A published message, its deliveries and its ledger entry are one commit (`lane`, or the transaction of whoever
publishes within one). `routing` is what a workspace's subscriptions and schemas say about a message; `deliveries`
hands it on: a pull queue leases, a worker posts to webhooks. `messages`, `subscriptions`, `schemas`, `keys` and
`inbound` are the subjects with routes. Owns the tables ``bus_…``; listens to no event.
"""
