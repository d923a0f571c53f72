"""Subscriptions: who wants which messages, and where they go. Owns ``bus_subscriptions`` and ``bus_routings``."""
