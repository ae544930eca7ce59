"""Laws and forward processes: what is diffused, how, and at which times."""
