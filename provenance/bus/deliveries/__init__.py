"""Deliveries: a message on its way to one subscription, until it is taken or given up.

Owns ``bus_deliveries`` and ``bus_targets``. A delivery is taken in hand by a lease that runs out by itself, so a killed
worker or reader loses nothing; of one topic and key only the oldest open delivery can be taken.
"""
