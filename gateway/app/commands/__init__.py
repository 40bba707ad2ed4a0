"""What each command of ``tertulia`` does; their names, options and help stand in ``gateway.app.cli``."""
