"""The agent, prompt, channel and model as they were: each combination stored once, copied, never joined later."""

import hashlib
from collections.abc import Mapping, Sequence
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


def snapshot_ids(db: Connection, organization_id: int, said: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """The id of each combination of a service and a session's fields, storing those not seen before."""
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    rows = []
    for service, fields in said:
        seen = (service, *(fields.get(name) for name in NAMES))
        if seen not in known:
            known[seen] = _row(organization_id, service, fields)
        rows.append(known[seen])
    by_digest = {row["digest"]: row for row in rows}
    stored = rows_among(db, organization_id, [snapshot.c.digest, snapshot.c.id], {"digest": by_digest})
    ids = {bytes(digest): number for digest, number in stored}
    unseen = [row for digest, row in by_digest.items() if digest not in ids]
    if unseen:
        numbers = next_numbers(db, organization_id, "snapshot", len(unseen))
        for row, number in zip(unseen, numbers, strict=True):
            row["id"] = ids[row["digest"]] = number
        db.execute(snapshot.insert(), unseen)
    return [ids[row["digest"]] for row in rows]


def _row(organization_id: int, service: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    seen = {name: fields.get(name) for name in NAMES} | {"channel_manager_service": service}
    return seen | {
        "organization_id": organization_id,
        "digest": hashlib.sha256(to_json(seen)).digest()[:16],
        "service_folded": fold(service),
        "type_folded": fold(seen["channel_manager_type"]),
        "agent_name_folded": fold(seen["agent_name"]),
        "agent_type_folded": fold(seen["agent_type"]),
        "prompt_name_folded": fold(seen["prompt_name"]),
    }
