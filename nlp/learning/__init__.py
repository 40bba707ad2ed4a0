"""Learning from what happened: texts that were not understood, made anonymous, grouped, suggested, and reviewed.

All of it is pure: :mod:`gateway.store.learning` keeps the texts, :mod:`gateway.app.learning` moves them.
"""
