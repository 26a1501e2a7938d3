"""The server as this program runs it: uvicorn's, which tells the application when it is about to stop."""

import socket

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Sets `app.state.is_stopping` before it waits for the open answers, so that those without an end find one."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.is_stopping = True
        await super().shutdown(sockets)
