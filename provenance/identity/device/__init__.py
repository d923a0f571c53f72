"""Signing in a device or a command line from a browser (the shape of RFC 8628)."""
