"""``tertulia bench``: measures the product itself, next to what it could at best be, and says how."""
