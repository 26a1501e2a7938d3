"""Reads the session back with the published `syllable-sdk`, which knows nothing of Hansard.

    python examples/openai_agents/read_back.py [THREAD_ID]

Reads HANSARD_URL and HANSARD_API_KEY. Without the id of a thread it takes the newest of the OpenAI Agents SDK.
"""

import os
import sys

from syllable_sdk import SyllableSDK, models


def main() -> None:
    url = os.environ.get("HANSARD_URL", "http://127.0.0.1:8700")
    with SyllableSDK(api_key_header=os.environ.get("HANSARD_API_KEY", ""), server_url=url) as sdk:
        session = find(sdk, sys.argv[1:])
        print(f"session {session.session_id}: {session.channel_manager_sid} with {session.agent_name}")
        print(f"  prompt {session.prompt_id}, version {session.prompt_version}")
        print(f"  began {session.timestamp:%Y-%m-%d %H:%M} and took {session.duration:.1f} s")
        transcript = sdk.sessions.transcript.get_by_id(session_id=session.session_id)
        print("  complete" if transcript.transcript_complete else "  INCOMPLETE")
        for turn in transcript.transcription:
            print(f"{turn.source:>5}: {turn.text}")
        for call in transcript.actions:
            print(f" tool: {call.tool_name}({call.tool_request}) -> {call.tool_error or call.tool_result}")
        for entry in sdk.sessions.latency.get_by_id(session_id=session.session_id).summary or []:
            print(f" time: {entry.category.value}/{entry.sub_category} {entry.event_count}x, {entry.average_str} each")


def find(sdk: SyllableSDK, thread_ids: list[str]) -> models.Session:
    """The session of the first thread id, or the newest session of the OpenAI Agents SDK."""
    wanted = ("channel_manager_sid", thread_ids[0]) if thread_ids else ("channel_manager_service", "openai-agents")
    found = sdk.sessions.list(
        search_fields=[models.SessionProperties(wanted[0])], search_field_values=[wanted[1]], limit=1
    )
    if not found.items:
        sys.exit(f"There is no session with {wanted[0]} {wanted[1]}; run agent.py first.")
    return found.items[0]


if __name__ == "__main__":
    main()
