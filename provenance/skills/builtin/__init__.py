"""Packages that come with the platform; each is a folder as `provenance skills init` makes one, with its own tests.

`provenance skills init NAME --from csv` copies one. Nothing here is imported by the platform: they run in the sandbox.
"""
