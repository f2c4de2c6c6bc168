"""Images: from bytes to pixels, held in memory, shared between processes or decoded when they are read."""
