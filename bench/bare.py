"""A bare FastAPI application that gives back bytes it holds: what HTTP and the framework cost by themselves.

    python -m bench.bare PORT FOLDER

The same uvicorn, event loop and parser as the server's; no database, no key, no model, nothing to serialize.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def main() -> None:
    held = {int(file.name): file.read_bytes() for file in Path(sys.argv[2]).iterdir() if file.name.isdigit()}
    app = FastAPI(openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/{number}")
    async def give(number: int) -> Response:
        return Response(held[number], media_type="application/json")

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
