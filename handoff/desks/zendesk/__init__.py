"""Zendesk Support: conversations as tickets, agents in the workspace that they know."""
