"""Public data sets: where each one is, its licence, and how its files become atomic files."""
