"""YAML of configurations and options: limits of what is read, and names that stay text."""
