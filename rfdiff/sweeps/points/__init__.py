"""What is run: axes, grids, and what each point is called."""
