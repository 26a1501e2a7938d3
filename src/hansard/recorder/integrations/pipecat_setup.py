"""Records every Pipecat bot of a process without a changed line: a file for Pipecat's PIPECAT_SETUP_FILES.

    export HANSARD_URL=… HANSARD_API_KEY=…
    PIPECAT_SETUP_FILES=$(python -m hansard.recorder.integrations.pipecat) python bot.py

Pipecat calls `setup_pipeline_worker` for each worker before its pipeline starts. The session's id is the worker's
`conversation_id`, or a new one.
"""

import functools
import uuid
from typing import TYPE_CHECKING

from hansard.recorder.integrations.pipecat import attach
from hansard.recorder.session import Recorder

if TYPE_CHECKING:
    from pipecat.pipeline.worker import PipelineWorker


@functools.cache
def _recorder() -> Recorder:
    """One for the process, made when the first bot starts."""
    return Recorder()


async def setup_pipeline_worker(worker: "PipelineWorker") -> None:
    """Record this worker, unless the bot does so itself or it only works for another one."""
    if worker.bridged:
        return
    # The only place where Pipecat keeps it; without it a session has an id all the same.
    conversation_id = getattr(worker, "_conversation_id", None)
    sid = str(conversation_id or uuid.uuid4().hex)
    attach(worker, recorder=_recorder(), sid=sid, conversation_id=conversation_id)
