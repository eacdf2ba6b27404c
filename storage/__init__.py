"""Where the domain's ports become real: SQL tables and their transactions."""
