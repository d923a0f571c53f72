"""Passkeys (WebAuthn): sign in with a device or a security key instead of a password."""
