"""How points are run, on one core or many."""
