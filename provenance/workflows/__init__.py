"""Workflows: definitions, their problems, drafts, immutable versions, and what a version may do.

Owns `workflows`, `workflow_versions` and `workflow_secrets`; listens to no event.
"""
