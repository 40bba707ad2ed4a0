"""Floor 1: everything that lasts: PostgreSQL, blobs, and the wake-ups between processes."""
