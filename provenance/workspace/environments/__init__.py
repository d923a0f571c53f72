"""Environments: where workflows run, such as production and staging. Owns `environments`.

A table whose rows live in an environment refers to it by (workspace_id, slug): that makes it one that is in use.
"""
