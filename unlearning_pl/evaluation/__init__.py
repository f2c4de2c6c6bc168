"""From finished runs to a report."""
