"""Many runs as one: a grid of cells, the processes that run them, the table of their results."""
