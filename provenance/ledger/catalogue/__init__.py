"""Resource types, actions and origins: the words that interactions are made of."""
