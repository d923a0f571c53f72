"""Passwords: hashing, changing, and the mailed way back in."""
