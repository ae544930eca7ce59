"""What samples and components of a run do along training."""
