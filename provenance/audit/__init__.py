"""Recording, typed: event types around the ledger's primitive. Owns no table; its rows are the ledger's."""
