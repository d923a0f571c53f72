"""What outside systems post to the bus, signed. Owns ``bus_arrivals``, by which a repeat is told."""
