"""Demonstrations to run by hand; each starts an installation of its own and leaves nothing behind."""
