"""Every table, on one page.

Every key starts with the organization, so that one organization's rows lie together and a cluster can be cut
by it (decision 0003). A session's children are rows in `child` while it runs and one row in `body` once it has
ended; `event`, `label` and `conversation` are derived from them for the lists.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

# What a cluster keeps whole on every machine; every other table it can cut by the organization.
REFERENCE_TABLES = frozenset({"organization"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC instant: timestamptz in PostgreSQL, microseconds since 1970 in SQLite, which has no such type."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], datetime | None]:
        """By way of `process_result_value` it takes three times as long, and a page has a hundred."""
        return _in_utc if dialect.name == "postgresql" else _since_epoch


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _since_epoch(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + value * _MICROSECOND


class Shown(TypeDecorator[str]):
    """The number of a row as the API shows it: as text. To read by, in the place of the column's own type."""

    impl = BigInteger
    cache_ok = True

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], str | None]:
        return _as_text


def _as_text(value: int | None) -> str | None:
    return None if value is None else str(value)


class Bytewise(TypeDecorator[str]):
    """Text compared and sorted byte by byte in both databases, whatever the server's locale."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(String(collation="C"))
        return dialect.type_descriptor(Text())


metadata = MetaData()

# An index row holds the whole key in SQLite, and the rows are short: no rowid is one look-up less.
_COMPACT: Any = {"sqlite_with_rowid": False}

organization = Table(
    "organization",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Bytewise, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("signing_key", LargeBinary),  # of its short-lived links
)


def _organization() -> Column[int]:
    return Column("organization_id", BigInteger, nullable=False)


api_key = Table(
    "api_key",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("name", Bytewise, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", Bytewise, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    PrimaryKeyConstraint("organization_id", "id", name="api_key_pk"),
    **_COMPACT,
)

# Who signs in to the console. An e-mail address is kept in small letters; a password as argon2 writes it.
member = Table(
    "member",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("email", Bytewise, nullable=False),
    Column("name", Bytewise, nullable=False),
    Column("role", Bytewise, nullable=False),
    Column("password_hash", Bytewise, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("removed_at", Moment),
    PrimaryKeyConstraint("organization_id", "id", name="member_pk"),
    # Who was removed may be invited again.
    Index(
        "member_email",
        "organization_id",
        "email",
        unique=True,
        sqlite_where=text("removed_at IS NULL"),
        postgresql_where=text("removed_at IS NULL"),
    ),
    **_COMPACT,
)

# Where a member is signed in: a browser that holds the text of which this is the hash.
signin = Table(
    "signin",
    metadata,
    _organization(),
    Column("hash", LargeBinary, nullable=False),
    Column("member_id", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    PrimaryKeyConstraint("organization_id", "hash", name="signin_pk"),
    Index("signin_member", "organization_id", "member_id"),
    **_COMPACT,
)

# Links that make a member, once.
invitation = Table(
    "invitation",
    metadata,
    _organization(),
    Column("hash", LargeBinary, nullable=False),
    Column("role", Bytewise, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    PrimaryKeyConstraint("organization_id", "hash", name="invitation_pk"),
    **_COMPACT,
)

# The last number given out for each kind of id; ids are per organization, so they tell nothing of the others.
counter = Table(
    "counter",
    metadata,
    _organization(),
    Column("name", Bytewise, nullable=False),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "name", name="counter_pk"),
    **_COMPACT,
)

# The agent, prompt, channel and model as they were: one row for every combination that was ever seen, and how many
# sessions were.
snapshot = Table(
    "snapshot",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("channel_manager_service", Bytewise, nullable=False),
    Column("channel_manager_type", Bytewise),
    Column("agent_id", Bytewise),
    Column("agent_name", Bytewise),
    Column("agent_type", Bytewise),
    Column("agent_timezone", Bytewise),
    Column("prompt_id", Bytewise),
    Column("prompt_name", Bytewise),
    Column("prompt_version", Bytewise),
    Column("prompt_version_number", BigInteger),
    Column("experiment_id", Bytewise),
    Column("experiment_variant_id", Bytewise),
    Column("experiment_variant", Bytewise),
    Column("experiment_variant_is_control", Boolean),
    Column("llm_provider", Bytewise),
    Column("llm_model", Bytewise),
    Column("llm_version", Bytewise),
    Column("llm_temperature", Double),
    Column("llm_seed", BigInteger),
    Column("service_folded", Bytewise, nullable=False),
    Column("type_folded", Bytewise),
    Column("agent_name_folded", Bytewise),
    Column("agent_type_folded", Bytewise),
    Column("prompt_name_folded", Bytewise),
    Column("live_sessions", BigInteger, nullable=False, server_default="0"),
    Column("test_sessions", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("organization_id", "id", name="snapshot_pk"),
    Index("snapshot_digest", "organization_id", "digest", unique=True),
    **_COMPACT,
)

# What sessions are found by beside their columns (`sessions/traits.py`): each kind and word once, each set of them
# that a session was seen with once, and which traits are in a set. A set, once stored, is never changed.
trait = Table(
    "trait",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("kind", Bytewise, nullable=False),
    Column("word", Bytewise, nullable=False),
    PrimaryKeyConstraint("organization_id", "id", name="trait_pk"),
    Index("trait_word", "organization_id", "kind", "word", unique=True),
    **_COMPACT,
)

trait_set = Table(
    "trait_set",
    metadata,
    _organization(),
    Column("digest", LargeBinary, nullable=False),
    Column("id", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "digest", name="trait_set_pk"),
    **_COMPACT,
)

trait_of_set = Table(
    "trait_of_set",
    metadata,
    _organization(),
    Column("trait_id", BigInteger, nullable=False),
    Column("set_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "trait_id", "set_id", name="trait_of_set_pk"),
    Index("trait_of_set_by_set", "organization_id", "set_id", "trait_id"),
    **_COMPACT,
)

# Of metadata, the values that few sessions share (`sessions/values.py`).
metadata_value = Table(
    "metadata_value",
    metadata,
    _organization(),
    Column("word", Bytewise, nullable=False),
    Column("session_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "word", "session_id", name="metadata_value_pk"),
    **_COMPACT,
)

# Every source and target that a session ever had (`sessions/parties.py`), to search a part of it in.
party = Table(
    "party",
    metadata,
    _organization(),
    Column("folded", Bytewise, nullable=False),
    PrimaryKeyConstraint("organization_id", "folded", name="party_pk"),
    **_COMPACT,
)

# What SQLite alone has, which keeps no statistics: indexes for filters that ask for no more than is in one of them
# (`sessions/paths.py`), each by the column that it begins with after the organization.
NARROW = {
    "session_snapshot": ("snapshot_id", "started_at", "id", "is_test", "label_code", "duration_s"),
    "session_label": ("label_code", "started_at", "id", "is_test", "duration_s"),
    "session_duration": ("duration_s", "id", "snapshot_id", "is_test"),
    "session_source": ("source_folded", "started_at", "id", "is_test", "snapshot_id"),
    "session_target": ("target_folded", "started_at", "id", "is_test", "snapshot_id"),
    "session_traits": ("trait_set_id", "started_at", "id", "is_test", "snapshot_id"),
    "session_metadata": ("metadata_set_id", "started_at", "id", "is_test", "snapshot_id"),
}
# Those in which a session is only where it has what they begin with.
PARTIAL = {"session_label", "session_traits", "session_metadata"}
# What PostgreSQL alone has, in place of the last four: it keeps a value once for all the sessions that have it.
BARE = {
    "session_by_source": "source_folded",
    "session_by_target": "target_folded",
    "session_by_traits": "trait_set_id",
    "session_by_metadata": "metadata_set_id",
}

session = Table(
    "session",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("service", Bytewise, nullable=False),
    Column("sid", Bytewise, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("conversation_id", Bytewise, nullable=False),
    Column("named_conversation", Boolean, nullable=False),  # by the writer, so no rule of ours changes it
    Column("thread", Bytewise),  # who writes to whom on a messaging channel, else null
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),  # null while it runs
    Column("is_abandoned", Boolean, nullable=False),  # ended by our clock, not by its writer
    Column("end_reason", Bytewise),
    Column("duration_s", Double),
    Column("source", Bytewise),
    Column("target", Bytewise),
    Column("source_folded", Bytewise),
    Column("target_folded", Bytewise),
    Column("is_test", Boolean, nullable=False),
    Column("is_legacy", Boolean, nullable=False),
    Column("is_outbound", Boolean),
    Column("user_terminated", Boolean),
    Column("transfer_voicemail_detected", Boolean),
    Column("override_timestamp", Bytewise),
    Column("label_id", BigInteger),  # of the label it is shown with
    Column("label_code", Bytewise),  # of that label, which is never changed
    Column("turn_count", BigInteger, nullable=False, server_default="0"),
    Column("interruption_count", BigInteger, nullable=False, server_default="0"),
    Column("has_tool_error", Boolean, nullable=False, server_default=false()),
    Column("has_recording", Boolean, nullable=False, server_default=false()),
    Column("summary", Bytewise),
    Column("rating", Bytewise),
    Column("metadata", Bytewise),  # the keys we do not know, as a JSON object
    Column("trait_set_id", BigInteger),  # its languages, tools and issue categories; null for none
    Column("metadata_set_id", BigInteger),  # the same of its metadata
    Column("response_p95_ms", BigInteger),  # null while it runs, and where no answer was timed
    Column("first_at", Moment),  # of the talk itself; null while there is none
    Column("last_at", Moment),
    Column("received_at", Moment, nullable=False),
    PrimaryKeyConstraint("organization_id", "id", name="session_pk"),
    Index("session_key", "organization_id", "sid", "service", unique=True),
    # Covers every filter of the list, so that a page and an exact total never touch the rows they leave out.
    Index(
        "session_wide",
        "organization_id",
        "started_at",
        "id",
        "snapshot_id",
        "duration_s",
        "is_test",
        "is_outbound",
        "is_legacy",
        "label_code",
        "source_folded",
        "target_folded",
        "turn_count",
        "interruption_count",
        "has_tool_error",
        "has_recording",
        "is_abandoned",
        "response_p95_ms",
        "trait_set_id",
        "metadata_set_id",
    ),
    *(
        Index(
            name,
            "organization_id",
            *columns,
            sqlite_where=text(f"{columns[0]} IS NOT NULL") if name in PARTIAL else None,
        ).ddl_if(dialect="sqlite")
        for name, columns in NARROW.items()
    ),
    *(Index(name, "organization_id", column).ddl_if(dialect="postgresql") for name, column in BARE.items()),
    Index("session_conversation", "organization_id", "conversation_id", "started_at", "id"),
    Index(
        "session_thread",
        "organization_id",
        "thread",
        "started_at",
        "id",
        sqlite_where=text("thread IS NOT NULL"),
        postgresql_where=text("thread IS NOT NULL"),
    ),
    Index(
        "session_running",
        "organization_id",
        "received_at",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    **_COMPACT,
)

child = Table(
    "child",
    metadata,
    _organization(),
    Column("session_id", BigInteger, nullable=False),
    Column("id", Bytewise, nullable=False),
    Column("kind", Bytewise, nullable=False),
    Column("at", Bytewise, nullable=False),
    Column("data", Bytewise, nullable=False),
    PrimaryKeyConstraint("organization_id", "session_id", "id", name="child_pk"),
    **_COMPACT,
)

body = Table(
    "body",
    metadata,
    _organization(),
    Column("session_id", BigInteger, nullable=False),
    Column("packing", BigInteger, nullable=False),  # which dictionary it was packed with
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization_id", "session_id", name="body_pk"),
)

# What bodies are packed with beside the built-in dictionary (`sessions/dictionaries.py`): trained on the organization's
# own sessions, so that it holds pieces of what was said in them. The newest version is the one in use.
dictionary = Table(
    "dictionary",
    metadata,
    _organization(),
    Column("version", BigInteger, nullable=False),
    Column("packing", BigInteger, nullable=False),  # its number, which follows from its content
    Column("made_at", Moment, nullable=False),
    Column("sessions", BigInteger, nullable=False),  # that it was trained on
    Column("measured_sessions", BigInteger, nullable=False),  # others; and what their bodies take
    Column("before_bytes", BigInteger, nullable=False),
    Column("after_bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization_id", "version", name="dictionary_pk"),
    Index("dictionary_packing", "organization_id", "packing", unique=True),
)

event = Table(
    "event",
    metadata,
    _organization(),
    Column("session_id", BigInteger, nullable=False),
    Column("id", Bytewise, nullable=False),
    Column("at", Moment, nullable=False),
    Column("source", Bytewise),
    Column("source_id", Bytewise),
    Column("category", Bytewise),
    Column("type", Bytewise),
    Column("user_id", Bytewise),
    Column("description", Bytewise),
    Column("attributes", Bytewise),
    PrimaryKeyConstraint("organization_id", "session_id", "id", name="event_pk"),
    Index("event_newest", "organization_id", "at", "session_id", "id"),
    **_COMPACT,
)

label = Table(
    "label",
    metadata,
    _organization(),
    Column("id", BigInteger, nullable=False),
    Column("session_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("type", Bytewise, nullable=False),
    Column("code", Bytewise, nullable=False),
    Column("user_email", Bytewise, nullable=False),
    Column("comments", Bytewise),
    Column("issue_categories", Bytewise, nullable=False),
    PrimaryKeyConstraint("organization_id", "id", name="label_pk"),
    Index("label_newest", "organization_id", "at", "id"),
    Index("label_session", "organization_id", "session_id"),
    **_COMPACT,
)

# The sound of sessions; the bytes lie under their digest in the folder or bucket of recordings.
recording = Table(
    "recording",
    metadata,
    _organization(),
    Column("session_id", BigInteger, nullable=False),
    Column("name", Bytewise, nullable=False),
    Column("id", BigInteger, nullable=False),
    Column("sha256", Bytewise, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Bytewise, nullable=False),
    Column("channels", BigInteger),  # as said by the writer, until the sound itself was read
    Column("began_at", Moment),  # as said by the writer
    Column("stored_at", Moment, nullable=False),
    Column("state", Bytewise, nullable=False),  # waiting, ready or unreadable
    Column("tried_at", Moment),  # when it was last taken up to be read
    Column("tries", BigInteger, nullable=False, server_default="0"),
    Column("duration_ms", Double),
    Column("peaks", LargeBinary),
    Column("problem", Bytewise),
    PrimaryKeyConstraint("organization_id", "session_id", "name", name="recording_pk"),
    Index("recording_id", "organization_id", "id", unique=True),
    Index("recording_state", "organization_id", "state", "stored_at"),
    **_COMPACT,
)

# How many latencies of a day lay in each bucket of time (`sessions/histograms.py`), so that percentiles over
# many sessions need not read them. One row holds all buckets, for every session adds to many of them.
latency_histogram = Table(
    "latency_histogram",
    metadata,
    _organization(),
    Column("day", BigInteger, nullable=False),  # since 1970, of the session's start in UTC
    Column("snapshot_id", BigInteger, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("category", Bytewise, nullable=False),
    Column("label", Bytewise, nullable=False),
    Column("counts", LargeBinary, nullable=False),  # the first bucket, then the count of each from there on
    PrimaryKeyConstraint(
        "organization_id", "day", "snapshot_id", "is_test", "category", "label", name="latency_histogram_pk"
    ),
    **_COMPACT,
)

conversation = Table(
    "conversation",
    metadata,
    _organization(),
    Column("id", Bytewise, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("is_legacy", Boolean, nullable=False),
    PrimaryKeyConstraint("organization_id", "id", name="conversation_pk"),
    Index("conversation_newest", "organization_id", "started_at", "id", "snapshot_id", "is_legacy"),
    **_COMPACT,
)

# Which session changed, in commit order: what search, live pages and hooks read, each from its own cursor.
change = Table(
    "change",
    metadata,
    _organization(),
    Column("seq", BigInteger, nullable=False),
    Column("session_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "seq", name="change_pk"),
    **_COMPACT,
)

# How far a reader of the change log has come; its row moves in the write that applies what was read.
cursor = Table(
    "cursor",
    metadata,
    _organization(),
    Column("name", Bytewise, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "name", name="cursor_pk"),
    **_COMPACT,
)

# What the search index holds of a session: enough to take it out again exactly. The index itself is `search_words`,
# which each database has in a form of its own (`resources/sessions/fulltext.py`).
search_doc = Table(
    "search_doc",
    metadata,
    _organization(),
    Column("session_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of its words
    Column("keys", LargeBinary, nullable=False),  # of the events that they are of
    PrimaryKeyConstraint("organization_id", "session_id", name="search_doc_pk"),
    **_COMPACT,
)

# Which session an OpenTelemetry trace belongs to: the best claim so far until it is settled, and from then on.
otlp_trace = Table(
    "otlp_trace",
    metadata,
    _organization(),
    Column("trace_id", Bytewise, nullable=False),
    Column("claim", Bytewise, nullable=False),
    Column("service", Bytewise, nullable=False),
    Column("sid", Bytewise, nullable=False),
    Column("named_at", Moment),
    Column("received_at", Moment, nullable=False),
    Column("is_settled", Boolean, nullable=False),
    PrimaryKeyConstraint("organization_id", "trace_id", name="otlp_trace_pk"),
    Index("otlp_trace_waiting", "organization_id", "is_settled", "received_at"),
    **_COMPACT,
)

# The events of spans whose trace is not settled yet.
otlp_span = Table(
    "otlp_span",
    metadata,
    _organization(),
    Column("trace_id", Bytewise, nullable=False),
    Column("span_id", Bytewise, nullable=False),
    Column("events", Bytewise, nullable=False),
    PrimaryKeyConstraint("organization_id", "trace_id", "span_id", name="otlp_span_pk"),
    **_COMPACT,
)
