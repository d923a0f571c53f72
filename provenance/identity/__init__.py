"""Identity: people, memberships and API keys, and who a request's credential belongs to. Listens to no event."""
