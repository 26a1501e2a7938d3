"""LiveKit: takes what livekit-agents itself uploads to LIVEKIT_OBSERVABILITY_URL, and makes sessions of it."""
