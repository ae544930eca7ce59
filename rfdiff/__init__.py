"""rfdiff."""
