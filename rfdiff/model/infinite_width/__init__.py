"""What stands for infinitely many features: kernels in closed form, and well-placed points."""
