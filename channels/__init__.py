"""One folder a channel: each translates between a provider's wire and the words of ``gateway.core``."""
