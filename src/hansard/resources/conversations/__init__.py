"""Conversations: sessions that belong together."""
