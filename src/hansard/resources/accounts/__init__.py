"""Organizations, API keys and members: who is asking. Gives `Caller`; the console asks who is signed in."""
