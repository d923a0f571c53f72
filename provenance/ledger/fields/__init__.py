"""Field discovery: which JSON paths the interactions of a resource type and action hold, and of which types.

Owns the table ``interaction_fields``, kept by a feed handler that listens to every interaction.
"""
