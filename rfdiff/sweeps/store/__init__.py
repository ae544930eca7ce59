"""Where results live: SQLite files that lose nothing."""
