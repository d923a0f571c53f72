"""Members: the people of a workspace, their roles and groups; how they are invited, removed and erased.

Owns `person_erasures`.
"""
