"""Feature builders, one module each."""
