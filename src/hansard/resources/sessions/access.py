"""What a route that writes sessions asks for beside the caller."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request


async def _idle(request: Request) -> timedelta:
    return timedelta(seconds=request.app.state.settings.conversation_idle_s)


Idle = Annotated[timedelta, Depends(_idle)]
