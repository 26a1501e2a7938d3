"""Reads the session back with the published `syllable-sdk`, which knows nothing of Hansard.

    python examples/pipecat_bot/read_back.py [SID]

Reads HANSARD_URL and HANSARD_API_KEY. Without the sid of a session it takes Pipecat's newest.
"""

import os
import sys

from syllable_sdk import SyllableSDK, models


def main() -> None:
    url = os.environ.get("HANSARD_URL", "http://127.0.0.1:8700")
    with SyllableSDK(api_key_header=os.environ.get("HANSARD_API_KEY", ""), server_url=url) as sdk:
        session = find(sdk, sys.argv[1:])
        print(f"session {session.session_id}: {session.channel_manager_sid} with {session.agent_name}")
        print(f"  began {session.timestamp:%Y-%m-%d %H:%M} and took {session.duration:.1f} s")
        transcript = sdk.sessions.transcript.get_by_id(session_id=session.session_id)
        print("  complete" if transcript.transcript_complete else "  INCOMPLETE")
        for turn in transcript.transcription:
            print(f"{turn.source:>5}: {turn.text}")
        for call in transcript.actions:
            print(f" tool: {call.tool_name}({call.tool_request}) -> {call.tool_result or call.tool_error}")
        for entry in sdk.sessions.latency.get_by_id(session_id=session.session_id).summary or []:
            print(f" time: {entry.category.value}/{entry.sub_category} {entry.event_count}x, {entry.average_str} each")


def find(sdk: SyllableSDK, sids: list[str]) -> models.Session:
    """The session of the first sid, or Pipecat's newest session."""
    wanted = ("channel_manager_sid", sids[0]) if sids else ("channel_manager_service", "pipecat")
    found = sdk.sessions.list(
        search_fields=[models.SessionProperties(wanted[0])], search_field_values=[wanted[1]], limit=1
    )
    if not found.items:
        sys.exit(f"There is no session with {wanted[0]} {wanted[1]}; run bot.py first.")
    return found.items[0]


if __name__ == "__main__":
    main()
