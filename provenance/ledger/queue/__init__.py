"""Queue ingestion: a stateless token and a push address for clients that speak to a queue."""
