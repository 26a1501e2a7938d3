"""Organizations and API keys: who is asking. Gives `Caller`."""
