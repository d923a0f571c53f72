"""API keys: what machines of a workspace show instead of a person. Made, listed and revoked by administrators."""
