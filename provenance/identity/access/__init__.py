"""Who is calling: a request's credential becomes an actor, remembered while nothing took its power away."""
