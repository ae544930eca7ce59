"""What everything stands on: errors, checks, numbers with errors, random streams, threads."""
