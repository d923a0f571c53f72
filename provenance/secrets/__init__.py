"""Secrets: values that steps work with and nobody sees (spec/automation.md, 5.11).

Owns `secrets`, `secret_versions` and `secret_references`; listens to no event. Each version is sealed with a key of
the workspace and bound to the workspace, the secret and its number, so that a row moved elsewhere opens nothing.
"""
