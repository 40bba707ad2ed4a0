"""The public API: a company's own systems write to its customers, and ask what became of it."""

from gateway.web.api.doors import ApiDoors, ApiParts

__all__ = ["ApiDoors", "ApiParts"]
