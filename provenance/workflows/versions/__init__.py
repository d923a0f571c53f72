"""Versions of workflows: publishing makes one, for good; one of them is live. Owns no table of its own."""
