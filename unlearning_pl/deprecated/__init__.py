"""Names of version 0.1, which work until version 0.3."""
