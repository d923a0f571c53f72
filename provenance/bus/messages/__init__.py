"""Messages: published, listed, shown with their deliveries. Owns ``bus_messages`` and ``bus_payloads``."""
