"""What is recorded at a point."""
