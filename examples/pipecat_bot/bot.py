"""The front desk on Pipecat, recorded by Hansard.

    python examples/pipecat_bot/bot.py

Reads HANSARD_URL and HANSARD_API_KEY. The bot itself is in `front_desk.py`; one line here records it.
"""

import uuid

from front_desk import FrontDesk, read_arguments, run

from hansard import Recorder
from hansard.recorder.integrations.pipecat import attach


def main() -> None:
    arguments = read_arguments()
    recorder = Recorder()
    sid = arguments.conversation or f"CA{uuid.uuid4().hex}"

    def record(desk: FrontDesk) -> None:
        attach(
            desk.worker, recorder=recorder, sid=sid, channel_manager_type="voice_pipecat_v1", agent_name="Front desk"
        )

    run(arguments, record)
    recorder.close()
    print(f"{sid}: {recorder.stats()}")


if __name__ == "__main__":
    main()
