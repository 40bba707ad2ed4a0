"""The gateway: core words, store, dialogue, router, pages and the application that wires them."""
