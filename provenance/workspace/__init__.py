"""Workspaces: the tenants that own everything. Owns `workspaces`; listens to no event."""
