"""The commands of ``unlearning-pl``, one per file."""
