"""The agent, prompt, channel and model as they were: each combination stored once, copied, never joined later."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection

from hansard.db.counters import next_numbers
from hansard.db.hot import rows_among
from hansard.db.tables import snapshot
from hansard.kit.text import fold

NAMES = (
    "channel_manager_service",
    "channel_manager_type",
    "agent_id",
    "agent_name",
    "agent_type",
    "agent_timezone",
    "prompt_id",
    "prompt_name",
    "prompt_version",
    "prompt_version_number",
    "experiment_id",
    "experiment_variant_id",
    "experiment_variant",
    "experiment_variant_is_control",
    "llm_provider",
    "llm_model",
    "llm_version",
    "llm_temperature",
    "llm_seed",
)


def snapshot_ids(db: Connection, organization_id: int, said: Sequence[tuple[str, dict[str, Any]]]) -> list[int]:
    """The id of each combination of a service and a session's fields, storing those not seen before."""
    seen = [_seen(service, fields) for service, fields in said]
    digests = [_digest(one) for one in seen]
    by_digest = dict(zip(digests, seen, strict=True))
    stored = rows_among(db, organization_id, [snapshot.c.digest, snapshot.c.id], {"digest": by_digest})
    ids = {bytes(digest): number for digest, number in stored}
    unseen = [digest for digest in by_digest if digest not in ids]
    if unseen:
        ids |= zip(unseen, next_numbers(db, organization_id, "snapshot", len(unseen)), strict=True)
        rows = [_row(by_digest[digest]) | {"organization_id": organization_id, "id": ids[digest]} for digest in unseen]
        db.execute(snapshot.insert(), rows)
    return [ids[digest] for digest in digests]


def _seen(service: str, fields: dict[str, Any]) -> tuple[Any, ...]:
    """The values of a snapshot, by which it is known: 1 and 1.0 are one temperature."""
    made = fields | {"channel_manager_service": service}
    if "llm_temperature" in made:
        made["llm_temperature"] = float(made["llm_temperature"])
    return tuple([made.get(name) for name in NAMES])


@lru_cache(maxsize=4096)
def _digest(seen: tuple[Any, ...]) -> bytes:
    return hashlib.sha256(to_json(dict(zip(NAMES, seen, strict=True)))).digest()[:16]


def _row(seen: tuple[Any, ...]) -> dict[str, Any]:
    row = dict(zip(NAMES, seen, strict=True))
    return row | {
        "digest": _digest(seen),
        "service_folded": fold(row["channel_manager_service"]),
        "type_folded": fold(row["channel_manager_type"]),
        "agent_name_folded": fold(row["agent_name"]),
        "agent_type_folded": fold(row["agent_type"]),
        "prompt_name_folded": fold(row["prompt_name"]),
    }
