"""Training of text models: the net, its loop, what is kept of it."""
