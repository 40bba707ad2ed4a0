"""Floor 5: what listens: webhooks, health and metrics; pages and the API come here."""
