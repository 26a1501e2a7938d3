"""ROUTERS: the doors of every resource."""

from hansard.resources.agents.routes import router as agents
from hansard.resources.conversations.routes import router as conversations
from hansard.resources.events.routes import router as events
from hansard.resources.ingest.otlp.routes import router as otlp
from hansard.resources.ingest.routes import router as ingest
from hansard.resources.labels.routes import router as labels
from hansard.resources.livekit.routes import router as livekit
from hansard.resources.recordings.routes import router as recordings
from hansard.resources.sessions.routes import router as sessions

# In the order of matching: literal paths of one resource stand before the parameters of another.
ROUTERS = (ingest, otlp, recordings, sessions, labels, conversations, events, agents, livekit)
