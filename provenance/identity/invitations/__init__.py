"""Invitations: the making side for members, the accepting side for the invited."""
