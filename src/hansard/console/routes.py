"""ROUTERS: the pages of the console."""

from hansard.console.pages.agents import router as agents
from hansard.console.pages.home import router as home
from hansard.console.pages.keys import router as keys
from hansard.console.pages.live import router as live
from hansard.console.pages.members import router as members
from hansard.console.pages.recordings import router as recordings
from hansard.console.pages.session import router as session
from hansard.console.pages.sessions import router as sessions
from hansard.console.pages.set_up import router as set_up
from hansard.console.pages.settings import router as settings
from hansard.console.pages.sign_in import router as sign_in
from hansard.console.pages.you import router as you
from hansard.console.statics import router as statics

ROUTERS = (agents, home, keys, live, members, recordings, session, sessions, set_up, settings, sign_in, you, statics)
