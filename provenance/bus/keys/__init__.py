"""Bus keys: for machines that publish or pull and do nothing else. Owns ``bus_keys``."""
