"""The one call on LiveKit Agents, typed: all but the model is LiveKit's own.

    python tests/livekit/text.py --report FILE

Reads HANSARD_URL and HANSARD_API_KEY.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, APIError
from livekit.agents.testing import fake_job_context

from examples.livekit_text.agent import FrontDesk
from hansard import Recorder
from tests.livekit.desk import WORD_S, recorded
from tests.one_call import USER_SAYS


async def interrupt(session: "AgentSession[Any]", words: str) -> None:
    """Say this and stop the answer in its midst, as LiveKit does when the next message is typed into it."""
    answer = session.generate_reply(user_input=words)
    async with asyncio.timeout(20):
        while session.agent_state != "speaking":
            await asyncio.sleep(WORD_S / 2)
    await asyncio.sleep(3 * WORD_S)
    await session.interrupt()
    await answer


async def talk(recorder: Recorder, report: Path) -> None:
    with fake_job_context() as job:
        async with recorded(job, recorder, report) as session:
            await session.start(FrontDesk(), record=False, capture_run=True)
            await interrupt(session, USER_SAYS[0])
            for words in USER_SAYS[1:]:
                with contextlib.suppress(APIError):  # the model fails once, and the session goes on
                    await session.run(user_input=words)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold the one call by typing and record it.")
    parser.add_argument("--report", type=Path, required=True, help="write LiveKit's own report to this file")
    recorder = Recorder()
    asyncio.run(talk(recorder, parser.parse_args().report))
    recorder.close()
    print(recorder.stats())


if __name__ == "__main__":
    main()
