"""Subscriptions of the bus whose target is a workflow: each message starts one run. The bus keeps the deliveries."""
