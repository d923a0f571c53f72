"""Workspaces: the tenants that own everything, their settings and environments.

Owns `workspaces` and `environments`; listens to no event.
"""
