"""Identity: people and how they sign in, memberships, API keys, and who a request's credential belongs to.

Owns the tables of people, their keys, members, API keys, sessions, guesses, tickets, one-time codes, passkeys, links
to an identity provider and devices. Listens to no event.
"""
