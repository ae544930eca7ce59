"""What comes out: files, trends and the state of a sweep."""
