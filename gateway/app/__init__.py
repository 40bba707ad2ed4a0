"""Floor 6: settings to wiring to workers, and the command line."""
