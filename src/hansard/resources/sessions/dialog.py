"""Children in, the dialog with its tool calls out, as session debug shows it (wire contract 2.12)."""

from collections.abc import Sequence
from datetime import datetime

from hansard.resources.sessions.schemas import Dialog, DialogToolCall, Sender, SessionMessage
from hansard.resources.sessions.turns import ToolCall, Turn, tool_calls, turns
from hansard.wire import Child


def dialog(children: Sequence[Child]) -> list[SessionMessage]:
    """Messages in time order. A tool call hangs on the agent's message before it, where the user has not spoken
    since; else on an agent's message without words.
    """
    told: list[tuple[datetime, int, Turn | ToolCall]] = [
        *((turn.at, 0, turn) for turn in turns(children)),
        *((call.at, 1, call) for call in tool_calls(children)),
    ]
    messages: list[SessionMessage] = []
    for _, _, one in sorted(told, key=lambda item: item[:2]):
        if isinstance(one, Turn):
            messages.append(_message(one.at, Sender(one.role), one.text))
            continue
        if not messages or messages[-1].role is not Sender.AGENT:
            messages.append(_message(one.at, Sender.AGENT, ""))
        messages[-1].tool_calls.append(_dialog_tool_call(one))
    return messages


def _message(at: datetime, role: Sender, text: str) -> SessionMessage:
    return SessionMessage(role=role, dialog=Dialog(text=text), tool_calls=[], timestamp=at)


def _dialog_tool_call(call: ToolCall) -> DialogToolCall:
    return DialogToolCall(
        tool_call_id=call.call_id,
        tool_name=call.name,
        tool_arguments=call.arguments,
        tool_result=call.answer,
        timestamp=call.at,
    )
