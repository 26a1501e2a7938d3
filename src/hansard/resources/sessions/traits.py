"""What a session is found by beside its columns: languages, tools, issue categories, metadata.

A trait is a kind and a word. As the agents of all sessions are a few snapshots, their traits are a few sets: each is
stored once, and a session names its own, in the index that every list walks. A row for every session and trait would
be six times as large and, counting a common one, ten times as slow.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from hansard.db.counters import next_numbers
from hansard.db.hot import rows_among
from hansard.db.tables import trait, trait_of_set, trait_set
from hansard.kit.text import fold
from hansard.resources.sessions.kept import Kept

Trait = tuple[str, str]
VALUE = "value"  # the kind of a key with its value, in metadata

TRAIT_KINDS = ("message", "tool_call", "label")  # of the children that have any
LONGEST_WORD = 200
_AT_ONCE = 500  # of what one statement asks for: SQLite takes 32,766 variables, PostgreSQL 65,535


def traits(children: Iterable[Kept]) -> set[Trait]:
    """The languages spoken, the tools called, those that failed, and the issue categories of the labels."""
    found: set[tuple[str, str | None]] = set()
    for one in children:
        kind, said = one.kind, one.said
        if kind == "message":
            found.add(("language", said.lang))
        elif kind == "tool_call":
            found.add(("tool", said["name"]))
            if said.get("error") is not None:
                found.add(("failed", said["name"]))
        elif kind == "label":
            found.update(("category", name) for name in said.get("issue_categories") or ())
    return _storable((kind, word_of(kind, text)) for kind, text in found if text is not None)


def metadata_traits(metadata: Mapping[str, Any]) -> set[Trait]:
    """The keys, and each with its value where that is no list and no object."""
    found = [("metadata", word_of("metadata", key)) for key in metadata]
    for key, value in metadata.items():
        if not isinstance(value, dict | list):
            text = value if isinstance(value, str) else to_json(value).decode()
            found.append((VALUE, word_of(VALUE, f"{key}={text}")))
    return _storable(found)


def _storable(found: Iterable[Trait]) -> set[Trait]:
    """Without those that hold a NUL, which no filter can name and PostgreSQL cannot store."""
    return {one for one in found if "\0" not in one[1]}


def word_of(kind: str, text: str) -> str:
    """A word as it is stored and asked for: in one case, and a long one shortened to what tells it from others."""
    return _short_word(kind, text) if len(text) <= LONGEST_WORD else _word(kind, text)


def _word(kind: str, text: str) -> str:
    word = fold(text, len(text) * 18) or ""  # what folding can make of it at most
    if kind == "language":
        word = word.replace("_", "-")
    if len(word) <= LONGEST_WORD:
        return word
    return word[:LONGEST_WORD] + "…" + hashlib.sha256(word.encode()).hexdigest()


_short_word = lru_cache(maxsize=4096)(_word)  # for the same few languages and tools are in every session


def trait_sets(
    db: Connection, organization_id: int, asked: Sequence[tuple[int | None, Collection[Trait]]]
) -> list[int | None]:
    """The id of each set that is had already (None for the empty one) with more traits in it, storing the new sets.

    One statement where every set is known and nothing was had before. The organization must be locked.
    """
    had = _members(db, organization_id, {one for one, more in asked if one is not None and more})
    whole = [frozenset(more) | had[one] if one in had else frozenset(more) for one, more in asked]
    digests = {one: _digest(one) for one in whole if one}
    ids = _known_sets(db, organization_id, digests)
    unseen = [one for one in digests if one not in ids]
    if unseen:
        ids |= _add_sets(db, organization_id, {one: digests[one] for one in unseen})
    return [ids[now] if more else one for (one, more), now in zip(asked, whole, strict=True)]


@lru_cache(maxsize=4096)
def _digest(one: frozenset[Trait]) -> bytes:
    return hashlib.sha256(to_json(sorted(one))).digest()[:16]


def _members(db: Connection, organization_id: int, ids: Collection[int]) -> dict[int | None, frozenset[Trait]]:
    found: dict[int, set[Trait]] = {one: set() for one in ids}
    for some in _parts(ids):
        asked = (
            select(trait_of_set.c.set_id, trait.c.kind, trait.c.word)
            .join(trait, and_(trait.c.organization_id == trait_of_set.c.organization_id, _is_trait))
            .where(trait_of_set.c.organization_id == organization_id, trait_of_set.c.set_id.in_(some))
        )
        for row in db.execute(asked):
            found[row.set_id].add((row.kind, row.word))
    return {one: frozenset(members) for one, members in found.items()}


_is_trait = trait.c.id == trait_of_set.c.trait_id


def _known_sets(
    db: Connection, organization_id: int, digests: Mapping[frozenset[Trait], bytes]
) -> dict[frozenset[Trait], int]:
    known: dict[bytes, int] = {}
    for some in _parts(digests.values()):
        found = rows_among(db, organization_id, [trait_set.c.digest, trait_set.c.id], {"digest": some})
        known |= {bytes(digest): number for digest, number in found}
    return {one: known[digest] for one, digest in digests.items() if digest in known}


def _add_sets(
    db: Connection, organization_id: int, new: Mapping[frozenset[Trait], bytes]
) -> dict[frozenset[Trait], int]:
    words = _trait_ids(db, organization_id, {one for members in new for one in members})
    ids = dict(zip(new, next_numbers(db, organization_id, "trait_set", len(new)), strict=True))
    mine = {"organization_id": organization_id}
    db.execute(trait_set.insert(), [mine | {"digest": digest, "id": ids[one]} for one, digest in new.items()])
    members = [mine | {"trait_id": words[each], "set_id": ids[one]} for one in new for each in sorted(one)]
    db.execute(trait_of_set.insert(), members)
    return ids


def _trait_ids(db: Connection, organization_id: int, wanted: Collection[Trait]) -> dict[Trait, int]:
    """The id of each trait, storing those not seen before."""
    ids = find_traits(db, organization_id, {kind for kind, _ in wanted}, {word for _, word in wanted})
    unseen = sorted(one for one in wanted if one not in ids)
    if unseen:
        ids |= zip(unseen, next_numbers(db, organization_id, "trait", len(unseen)), strict=True)
        rows = [{"organization_id": organization_id, "id": ids[one], "kind": one[0], "word": one[1]} for one in unseen]
        db.execute(trait.insert(), rows)
    return ids


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def traits_given(kinds: Sequence[str], values: Iterable[str]) -> tuple[str, ...]:
    """What `sets_with` is given for values; a language is also found where a region is added to it."""
    words = [word_of(kinds[0], value) for value in values]
    if kinds != _LANGUAGES:
        return tuple(words)
    return tuple(part for word in words for part in (word, word + "-", word + "."))  # "." comes after "-"


_LANGUAGES = ("language",)


def sets_with(kinds: Sequence[str], mine: Any, *given: Any) -> Select[Any]:
    """The sets that hold one of the words `traits_given` made. Of the organization `mine`."""
    step = 3 if kinds == _LANGUAGES else 1
    same = or_(*(_is_within(*given[first : first + step]) for first in range(0, len(given), step)))
    is_kind = or_(*(trait.c.kind == kind for kind in kinds))
    named = select(trait.c.id).where(trait.c.organization_id == mine, is_kind, same)
    return select(trait_of_set.c.set_id).where(
        trait_of_set.c.organization_id == mine, trait_of_set.c.trait_id.in_(named)
    )


def _is_within(word: Any, *region: Any) -> ColumnElement[bool]:
    same: ColumnElement[bool] = trait.c.word == word
    return or_(same, and_(trait.c.word >= region[0], trait.c.word < region[1])) if region else same


def find_traits(db: Connection, organization_id: int, kinds: Collection[str], words: Iterable[str]) -> dict[Trait, int]:
    """Those of these words that were seen, of these kinds, each with its id."""
    columns = [trait.c.kind, trait.c.word, trait.c.id]
    found: dict[Trait, int] = {}
    for some in _parts(words):
        rows = rows_among(db, organization_id, columns, {"kind": kinds, "word": some})
        found |= {(kind, word): number for kind, word, number in rows}
    return found


def list_words(db: Connection, organization_id: int, kind: str, most: int = 100) -> list[str]:
    """The words of a kind that were seen so far, in order."""
    asked = select(trait.c.word).where(trait.c.organization_id == organization_id, trait.c.kind == kind)
    return list(db.execute(asked.order_by(trait.c.word).limit(most)).scalars())
