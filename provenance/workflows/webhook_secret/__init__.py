"""Webhook secrets: two are good while one takes over from the other. Owns no table of its own."""
