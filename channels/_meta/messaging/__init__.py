"""The Messenger Platform: one wire for two apps, which differ in names, limits and a few habits."""
