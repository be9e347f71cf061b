"""Target transforms, one module each."""
