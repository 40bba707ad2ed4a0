"""Floor 4: when to hand off, and the desks where people answer. One folder a desk, found by discovery."""
