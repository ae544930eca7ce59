"""Small real data sets, with their sources in README.md."""
