"""Tables of text, JSON lines and parquet as Arrow tables, of which no row may be lost."""
