"""Children in, one number out: how long this session's answers took, for the list and its filter.

`waterfall.py` tells the same of every answer, with its parts; here it must be cheap enough to be done at intake.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from hansard.resources.sessions.kept import Kept
from hansard.wire import moment_of

RESPONSE_KINDS = ("message", "latency")  # of the children that tell of it
WHOLE = frozenset({"end_to_end", "user_bot"})  # what integrations call the whole of an answer
_MS = timedelta(milliseconds=1)


def response_p95_ms(children: Iterable[Kept]) -> int | None:
    """The response time, in whole milliseconds, that 95 of 100 answers did not exceed, by nearest rank.

    From what was measured; where nothing was, from the times between the end of what the user said and the beginning
    of the answer. None where neither is known.
    """
    messages, measured = [], []
    for one in children:
        if one.kind == "message":
            messages.append(one)
        elif one.kind == "latency":
            said = one.said
            if said.category == "turn" and said.label in WHOLE and said.duration_ms >= 0:
                measured.append(said.duration_ms)
    values = sorted(measured or _between_ms(messages))
    return round(values[-(-95 * len(values) // 100) - 1]) if values else None


def _between_ms(messages: Sequence[Kept]) -> Iterator[float]:
    """From the end of the last turn of the user's to the first of the agent's; one that began before it has none.

    A line that came at one instant, as in a chat, was done then. Instants of fixed width are in order as texts.
    """
    placed = sorted([(one.said.started_at or one.at, one.at, one.id, one) for one in messages])
    for (_, _, _, before), (began, _, _, one) in pairwise(placed):
        if one.said.role == "agent" and before.said.role == "user":
            done = _done(before)
            if done is not None and began >= done:
                yield (moment_of(began) - moment_of(done)) / _MS


def _done(one: Kept) -> str | None:
    """When it had been said; None where only its beginning is known."""
    said = one.said
    if said.ended_at:
        return max(said.started_at or one.at, str(said.ended_at))
    return None if said.started_at else one.at
