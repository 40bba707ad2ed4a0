"""A channel to begin with: `make new-channel NAME=…` copies this folder. It speaks a small invented protocol."""

from channels._skeleton.channel import channel

__all__ = ["channel"]
