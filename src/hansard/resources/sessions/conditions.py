"""What each field of a filter asks of a session: forms, which are few and kept, and the values that stand in them.

To put a statement together takes SQLAlchemy longer than SQLite to answer it. So a filter is read into a shape and its
values; what is made of a shape is made once, with the values left open.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache, partial
from itertools import chain, count, islice
from json import dumps
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Double,
    Select,
    and_,
    bindparam,
    false,
    func,
    intersect,
    not_,
    or_,
    select,
)

from hansard.db.dialect import numbers_in
from hansard.db.tables import session, snapshot
from hansard.kit.errors import Invalid
from hansard.kit.ids import find_id
from hansard.kit.listing import folded_part
from hansard.kit.text import has_part
from hansard.kit.times import read_moment
from hansard.resources.sessions.parties import PARTIES, is_with, seeks_party
from hansard.resources.sessions.query import Term
from hansard.resources.sessions.traits import sets_with, traits_given
from hansard.resources.sessions.values import has_value

_UNITS_MS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|[smhdw]?)")
_SIGN = re.compile(r"(>=|<=|>|<|)(.*)")
_SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "": operator.eq}
_MOST_SHAPES = 1000

Form = Callable[..., ColumnElement[bool]]


class Condition(NamedTuple):
    """What one value asks: a form, the same for every value like it, and what stands in that."""

    form: Form  # of the organization and of what is given, as it is or left open
    given: tuple[Any, ...] = ()


class Wanted(NamedTuple):
    """One term: of its conditions one must hold; none, where it is turned round."""

    conditions: tuple[Condition, ...]
    is_not: bool
    is_seen: bool  # they are of the session's snapshot


@dataclass(frozen=True, eq=False)
class Shape:
    """What filters of one shape ask, with the organization open as `mine` and their values as `v0`, `v1` and so on.

    `told` is the same where SQLite is told the snapshots: as `seen`, a list of ids in JSON.
    """

    of_session: tuple[ColumnElement[bool], ...]
    of_snapshot: tuple[ColumnElement[bool], ...]
    told: "Shape | None" = None


def is_condition(term: Term) -> bool:
    """Whether a term asks something of a session's row, and not of what was said in it."""
    return term.field in _FIELDS or term.field in TRAITS


def seeks_nothing(term: Term) -> bool:
    """Whether a term asks for sessions that lack something, which no index of what they have leads to."""
    return term.field == "label" and any(value.lower() == _NONE for value in term.values)


def what_they_lack(term: Term) -> Term | None:
    """What a session must not have that a term finds, if that is what it asks; None for other terms."""
    if not term.is_not:
        return HAS_LABEL if seeks_nothing(term) and len(term.values) == 1 else None
    turned = replace(term, is_not=False)
    return turned if term.field in TRAITS or turned == HAS_LABEL else None


def by_cost(term: Term) -> int:
    """To sort terms by, as SQLite asks in their order: what looks for a part of a text comes late, and a party last."""
    if seeks_party(term):
        return 2
    return 1 if term.field in ("agent", "prompt", "channel", "model") else 0


def all_wanted(terms: Sequence[Term], now: datetime) -> list[Wanted]:
    """What terms ask, those that look for traits in the same set together. Raises Invalid."""
    of_set = defaultdict[str, list[Term]](list)
    others = []
    for one in terms:
        if one.field in TRAITS and not one.is_not:
            of_set[TRAITS[one.field][0]].append(one)
        else:
            others.append(wanted(one, now))
    return [*(Wanted((_of_traits(some),), is_not=False, is_seen=False) for some in of_set.values()), *others]


def wanted(term: Term, now: datetime) -> Wanted:
    """What a term asks. Raises Invalid for a value that means nothing."""
    if seeks_party(term):
        parts = tuple(folded_part(value) for value in term.values)
        return Wanted((Condition(is_with(term.field), parts),), term.is_not, is_seen=False)
    if term.field in TRAITS:
        return Wanted((_of_traits([term]),), term.is_not, is_seen=False)
    read = _FIELDS[term.field]
    return Wanted(tuple(read(value, now) for value in term.values), term.is_not, term.field in SEEN)


def of_session(mine: Any, some: Sequence[Wanted], told: Select[Any] | None = None) -> list[ColumnElement[bool]]:
    """What is asked of the sessions of an organization; that comes first. The snapshots may be `told`."""
    others = [_where(mine, one) for one in some if not one.is_seen]
    seen = of_snapshot(mine, some)
    if seen:  # in one look: with two, SQLite would go through all sessions of one snapshot to find the other's
        snapshots = select(snapshot.c.id).where(snapshot.c.organization_id == mine, *seen) if told is None else told
        others.append(session.c.snapshot_id.in_(snapshots))
    return [session.c.organization_id == mine, *others]


def of_snapshot(mine: Any, some: Sequence[Wanted]) -> list[ColumnElement[bool]]:
    """What is asked of a session's snapshot."""
    return [_where(mine, one) for one in some if one.is_seen]


def opened(some: Sequence[Wanted]) -> tuple[Shape, dict[str, Any]]:
    """The shape, which is one object for all filters that have it, and the values of this one, by their names."""
    forms = tuple(
        (one.is_not, one.is_seen, tuple((each.form, tuple(map(type, each.given))) for each in one.conditions))
        for one in some
    )
    values = (value for one in some for each in one.conditions for value in each.given)
    return _shape(forms), {f"v{number}": value for number, value in enumerate(values)}


@lru_cache(maxsize=_MOST_SHAPES)
def _shape(forms: tuple[tuple[bool, bool, tuple[tuple[Form, tuple[type, ...]], ...]], ...]) -> Shape:
    numbers = count()
    some = [
        Wanted(
            tuple(Condition(form, tuple(_open(next(numbers), kind) for kind in kinds)) for form, kinds in conditions),
            is_not,
            is_seen,
        )
        for is_not, is_seen, conditions in forms
    ]
    mine: BindParameter[Any] = bindparam("mine")
    seen = tuple(of_snapshot(mine, some))
    ids = select(numbers_in(bindparam("seen")))
    return Shape(tuple(of_session(mine, some)), seen, told=Shape(tuple(of_session(mine, some, ids)), seen))


def _open(number: int, kind: type) -> BindParameter[Any]:
    """A value left open; a fraction stays one where it is compared with whole numbers."""
    return bindparam(f"v{number}", type_=Double() if kind is float else None)


def _where(mine: Any, one: Wanted) -> ColumnElement[bool]:
    return any_of([form(mine, *given) for form, given in one.conditions], is_not=one.is_not)


def any_of(conditions: Sequence[ColumnElement[bool]], *, is_not: bool) -> ColumnElement[bool]:
    """What is unknown is not found, and found where that is turned round.

    Only there it is said, for it keeps both databases from their indexes.
    """
    found = or_(*conditions)
    return not_(func.coalesce(found, false())) if is_not else found


def _fixed(condition: ColumnElement[bool]) -> Condition:
    return Condition(lambda _mine: condition)


_NOTHING = _fixed(false())
_IS_OUTBOUND = func.coalesce(session.c.is_outbound, false())
_WORDS: Mapping[str, Mapping[str, Condition]] = {
    "direction": {"outbound": _fixed(_IS_OUTBOUND), "inbound": _fixed(not_(_IS_OUTBOUND))},
    "is": {
        "running": _fixed(session.c.duration_s.is_(None)),  # each that has ended has one, and the indexes hold it
        "ended": _fixed(session.c.duration_s.is_not(None)),
        "abandoned": _fixed(session.c.is_abandoned.is_(True)),
        "test": _fixed(session.c.is_test.is_(True)),
        "live": _fixed(session.c.is_test.is_(False)),
    },
    "has": {
        "recording": _fixed(session.c.has_recording.is_(True)),
        "tool-error": _fixed(session.c.has_tool_error.is_(True)),
        "interruption": _fixed(session.c.interruption_count > 0),
        "label": _fixed(session.c.label_code.is_not(None)),
    },
}
_NONE = "none"
HAS_LABEL = Term("has", ("label",))
_NO_LABEL = _fixed(session.c.label_code.is_(None))


def _word(field: str, value: str, _now: datetime) -> Condition:
    return _WORDS[field][value]


@cache
def _compared(column: ColumnElement[Any], sign: str) -> Form:
    return lambda _mine, value: _SIGNS[sign](column, value)


@cache
def _between(column: ColumnElement[Any]) -> Form:
    return lambda _mine, least, most: and_(column >= least, column <= most)


@cache
def _contains(text: ColumnElement[Any]) -> Form:
    return lambda _mine, part: has_part(text, part)


@cache
def _is_named(folded: ColumnElement[Any], key: ColumnElement[Any]) -> Form:
    return lambda _mine, part, value: or_(has_part(folded, part), key == value)


def _named(folded: ColumnElement[Any], key: ColumnElement[Any], value: str, _now: datetime) -> Condition:
    return Condition(_is_named(folded, key), (folded_part(value), value))


def _party(folded: ColumnElement[Any], value: str, _now: datetime) -> Condition:
    return Condition(_contains(folded), (folded_part(value),))


def _is_channel(_mine: Any, part: Any) -> ColumnElement[bool]:
    return or_(has_part(snapshot.c.service_folded, part), has_part(snapshot.c.type_folded, part))


def _channel(value: str, _now: datetime) -> Condition:
    return Condition(_is_channel, (folded_part(value),))


def _is_version(_mine: Any, text: Any, number: Any) -> ColumnElement[bool]:
    return or_(snapshot.c.prompt_version == text, snapshot.c.prompt_version_number == number)


def _version(value: str, _now: datetime) -> Condition:
    if value.isascii() and value.isdigit():
        return Condition(_is_version, (value, float(value)))
    return Condition(_compared(snapshot.c.prompt_version, ""), (value,))


_MODEL = func.lower(snapshot.c.llm_model)


def _model(value: str, _now: datetime) -> Condition:
    return Condition(_contains(_MODEL), (value.lower(),))


def _label(value: str, _now: datetime) -> Condition:
    if value.lower() == _NONE:
        return _NO_LABEL
    return Condition(_compared(session.c.label_code, ""), (value.upper(),))


def _ranged(column: ColumnElement[Any], value: str, _now: datetime, *, unit_ms: int = 1000) -> Condition:
    """`>60`, `<=5m`, `1m..2m` (both ends included), or the very same number. The column counts in units."""
    least, dots, most = value.partition("..")
    if dots:
        return Condition(_between(column), (_length(least, unit_ms), _length(most, unit_ms)))
    found = _SIGN.fullmatch(value)
    sign, text = (found[1], found[2]) if found else ("", value)
    return Condition(_compared(column, sign), (_length(text, unit_ms),))


def _length(value: str, unit_ms: int = 1000) -> float:
    """A length of time in units of so many milliseconds, seconds unless said otherwise."""
    found = _LENGTH.fullmatch(value.strip())
    if found is None:
        raise Invalid(f"{value!r} is no number and no length of time; write 90, 90s, 5m, 24h or 7d.")
    return float(Decimal(found[1]) * _UNITS_MS[found[2]] / unit_ms)


def _since(value: str, now: datetime) -> Condition:
    try:
        begun = now - timedelta(seconds=_length(value))
    except OverflowError:
        raise Invalid("That is longer ago than the calendar reaches.") from None
    return Condition(_compared(session.c.started_at, ">="), (begun,))


def _moment(sign: str, value: str, _now: datetime) -> Condition:
    return Condition(_compared(session.c.started_at, sign), (read_moment(value),))


def _id(value: str, _now: datetime) -> Condition:
    number = find_id(value)
    return _NOTHING if number is None else Condition(_compared(session.c.id, ""), (number,))


def _has_sid(mine: Any, value: Any) -> ColumnElement[bool]:
    """By the key first: beside other terms both databases would rather walk the list, which does not hold it."""
    same = select(session.c.id).where(session.c.organization_id == mine, session.c.sid == value)
    found: ColumnElement[bool] = session.c.id.in_(same)
    return found


def _sid(value: str, _now: datetime) -> Condition:
    return Condition(_has_sid, (value,))


def _same(column: ColumnElement[Any], value: str, _now: datetime) -> Condition:
    return Condition(_compared(column, ""), (value,))


# Of each field, which set of a session's traits is asked, by its column, and for which kinds of them.
TRAITS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "language": ("trait_set_id", ("language",)),
    "tool": ("trait_set_id", ("tool",)),
    "failed": ("trait_set_id", ("failed",)),
    "category": ("trait_set_id", ("category",)),
    "metadata": ("metadata_set_id", ("metadata", "value")),
}


def of_values(words: Sequence[str], *, some_are_traits: bool, is_not: bool) -> Wanted:
    """What a term asks of metadata of whose values some, or none, are traits."""
    form = _holds_or_has if some_are_traits else has_value
    return Wanted((Condition(form, tuple(words)),), is_not, is_seen=False)


def _holds_or_has(mine: Any, *words: Any) -> ColumnElement[bool]:
    column, kinds = TRAITS["metadata"]
    return or_(_is_in_sets(column, ((kinds, len(words)),))(mine, *words), has_value(mine, *words))


def among(ids: Sequence[int]) -> Condition:
    """That a session is one of these: for SQLite, which is told them in JSON."""
    return Condition(is_among, (dumps(list(ids)),))


def is_among(_mine: Any, ids: Any) -> ColumnElement[bool]:
    """The form of that."""
    is_one: ColumnElement[bool] = session.c.id.in_(select(numbers_in(ids)))
    return is_one


def _of_traits(terms: Sequence[Term]) -> Condition:
    """What terms ask of the same set of a session: all of them, with any of the values of each."""
    column, _ = TRAITS[terms[0].field]
    kinds = [TRAITS[one.field][1] for one in terms]
    given = [traits_given(some, one.values) for some, one in zip(kinds, terms, strict=True)]
    parts = tuple(zip(kinds, map(len, given), strict=True))
    return Condition(_is_in_sets(column, parts), tuple(chain.from_iterable(given)))


@lru_cache(maxsize=_MOST_SHAPES)
def _is_in_sets(column: str, parts: tuple[tuple[tuple[str, ...], int], ...]) -> Form:
    """That a session's set holds a trait of each part, which are kinds and a number of words: the sets are few, and
    those with all of them looked for before any session is.
    """

    def where(mine: Any, *given: Any) -> ColumnElement[bool]:
        left = iter(given)
        sets = [sets_with(kinds, mine, *islice(left, count)) for kinds, count in parts]
        found: ColumnElement[bool] = session.c[column].in_(intersect(*sets) if len(sets) > 1 else sets[0])
        return found

    return where


_Read = Callable[[str, datetime], Condition]
_SNAPSHOTS: Mapping[str, _Read] = {
    "agent": partial(_named, snapshot.c.agent_name_folded, snapshot.c.agent_id),
    "prompt": partial(_named, snapshot.c.prompt_name_folded, snapshot.c.prompt_id),
    "channel": _channel,
    "version": _version,
    "model": _model,
}
SEEN: Collection[str] = _SNAPSHOTS.keys()  # the fields that are told by a session's snapshot
_FIELDS: Mapping[str, _Read] = {
    **_SNAPSHOTS,
    **{field: partial(_word, field) for field in _WORDS},
    **{field: partial(_party, session.c[column]) for field, column in PARTIES.items()},
    "label": _label,
    "duration": partial(_ranged, session.c.duration_s),
    "response": partial(_ranged, session.c.response_p95_ms, unit_ms=1),
    "turns": partial(_ranged, session.c.turn_count),
    "interruptions": partial(_ranged, session.c.interruption_count),
    "since": _since,
    "after": partial(_moment, ">="),
    "before": partial(_moment, "<"),
    "id": _id,
    "sid": _sid,
    "conversation": partial(_same, session.c.conversation_id),
}
