"""Tokens that work once: invitations, password resets, challenges and states of a sign-in under way."""
