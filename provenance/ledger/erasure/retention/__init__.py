"""Retention: content goes after the age its policy gives it, envelopes stay. Owns `retention_policies`."""
