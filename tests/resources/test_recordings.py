"""Recordings: stored whole or not at all, under any name, told by their content, read back by whoever may."""

import base64
import errno
import hashlib
import http.client
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hansard.kit.settings import Settings
from hansard.kit.sounds import find_media_type
from hansard.resources.accounts.schemas import Role, Scope
from hansard.resources.recordings.streaming import disposition, range_of
from hansard.resources.sessions.recordings import Recording, add_recording, list_recordings
from tests.conftest import House, open_house
from tests.console.people import visitor
from tests.door import Answer, Door
from tests.make import at, make_session, make_sid
from tests.sounds import KINDS, make_recording, put, sound, wait_until_read, wav

PATH = "/ingest/v1/recordings/twilio"


def rows(house: House, door: Door, session_id: str) -> list[Recording]:
    with house.database.reading() as db:
        return list_recordings(db, door.organization_id, int(session_id))


def links(door: Door, session_id: str) -> list[str]:
    answer = door.post(f"/api/v1/sessions/recording/{session_id}")
    assert answer.status == 200, answer.bytes
    found: list[str] = answer.json["recordings"]
    return found


def fetch(link: str, method: str = "GET", **headers: str) -> Answer:
    """Open a link as whoever has it: without a key."""
    url = urlsplit(link)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Door(f"{url.scheme}://{url.netloc}", "").ask(method, f"{url.path}?{url.query}", headers=sent)


def files(house: House, of: str = "") -> set[str]:
    """Every file in the data folder that is not the database's, or those below a folder of it."""
    data = house.settings.data
    found = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    return {name for name in found if "hansard.db" not in name and not name.endswith(".lock") and name.startswith(of)}


def parts(house: House) -> set[str]:
    return files(house, "recordings/incoming/")


@pytest.fixture(scope="module")
def small_house(make_settings: Callable[..., Settings]) -> Iterator[House]:
    """A server that takes 200,000 bytes, and waits half a second for the next of them."""
    yield from open_house(make_settings("sqlite", most_recording_bytes=200_000, body_timeout_s=0.5))


def test_a_recording_is_stored_and_read_back_byte_for_byte(house: House, door: Door) -> None:
    sid, body = make_sid(), sound("audio/ogg")
    session_id = make_session(door, sid=sid)
    answer = put(door, body, sid=sid, name="call.ogg", Hansard_Channels="2", Hansard_At=at(1))
    assert answer.status == 201
    digest = hashlib.sha256(body).hexdigest()
    assert answer.json == {
        "service": "twilio",
        "sid": sid,
        "session_id": session_id,
        "name": "call.ogg",
        "sha256": digest,
        "size_bytes": len(body),
        "media_type": "audio/ogg",
    }
    (link,) = links(door, session_id)
    assert link.startswith(f"{door.url}/api/v1/sessions/recording/stream?token=")
    got = fetch(link)
    assert (got.status, got.bytes) == (200, body)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["etag"] == f'"{digest}"'
    assert files(house, f"recordings/{door.organization_id}/") == {f"recordings/{door.organization_id}/{digest}"}
    assert parts(house) == set()


def test_what_the_sound_says_of_itself_is_found_out(house: House, door: Door) -> None:
    """Two seconds: the left loud, the right silent for the second half."""
    loud, quiet = wav(1.0, 0.9, 0.25)[44:], wav(1.0, 0.9, 0.0)[44:]
    head = bytearray(wav(2.0, 0.0, 0.0)[:44])
    session_id = make_recording(door, bytes(head) + loud + quiet)
    found = wait_until_read(house, door, session_id)
    assert (found.state, found.duration_ms, found.channels, found.problem) == ("ready", 2000.0, 2, None)
    assert found.peaks is not None
    left, right = found.peaks[0::2], found.peaks[1::2]
    assert len(left) == len(right) == 40
    assert set(left) <= {228, 230, 232}
    assert set(right[:20]) <= {62, 64, 66}
    assert set(right[20:]) == {0}


@pytest.mark.parametrize("media_type", KINDS)
def test_every_kind_is_told_by_its_content_and_read(sqlite_house: House, media_type: str) -> None:
    door, body = sqlite_house.door(), sound(media_type)
    answer = put(door, body, sid="1", name="call.exe", Content_Type="text/html")
    assert (answer.status, answer.json["media_type"]) == (201, media_type)
    found = wait_until_read(sqlite_house, door, answer.json["session_id"])
    assert (found.state, found.channels, found.problem) == ("ready", 2, None)
    assert found.duration_ms == pytest.approx(3000, abs=150)
    assert found.peaks is not None
    assert len(found.peaks) == pytest.approx(120, abs=6)
    for lane, level in ((0, 128), (1, 64)):
        assert found.peaks[60 + lane] == pytest.approx(level, abs=12)
    heard = fetch(links(door, "1")[0], Accept="audio/*")
    assert (heard.headers["content-type"], heard.bytes) == (media_type, body)
    assert heard.headers["content-disposition"].startswith('inline; filename="call.exe.')


def test_an_mp3_without_a_tag_is_one_too() -> None:
    whole = sound("audio/mpeg")
    size_bytes = int.from_bytes(bytes(whole[6:10]), "big")  # of the tag; seven bits a byte, and it is short
    assert find_media_type(whole[10 + size_bytes :][:4096]) == "audio/mpeg"


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"\0" * 5000,
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 100,
        b"#EXTM3U\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\x24\0\0\0AVI LIST",
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"OggS\0\2" + b"\0" * 20 + b"\1\x1e\x80theora" + b"\0" * 40,
        b"\0\0\0\x1cftypheic" + b"\0" * 40,
        b"\0\0\0\x1cftypavif" + b"\0" * 40,
        b"\x1aE\xdf\xa3\x9fB\x82\x88unknown!",
        b"\xff\xfb\x90\x00" + b"\0" * 5000,
        b"\xff\xff\xff\xff" + b"\xff" * 5000,
        b"fLa",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_sound_is_refused_and_founds_nothing(house: House, door: Door, body: bytes) -> None:
    answer = put(door, body, sid="1", name="call.wav", Content_Type="audio/wav")
    assert (answer.status, type(answer.detail)) == (415, str)
    assert door.search() == []
    assert files(house, f"recordings/{door.organization_id}/") | parts(house) == set()


# A hundred names that want to be something else than a name, as they stand in the address.
TRAVERSALS = [
    f"{before}{dots}{slash}{target}"
    for before in ("", "a%2F", "%2F")
    for dots in ("..", "%2E%2E", "..%2F..", "%2E%2E%5C..")
    for slash in ("%2F", "%5C", "%252F", "%2F%2F")
    for target in ("etc%2Fpasswd", "hansard.db")
] + ["..", "%2E%2E", ".", "~"]
STRANGE = [
    *("a%00b", "%00", "%FF%FE", "%C0%AE%C0%AE%2F", "%ED%A0%80", "", "a%0D%0AX-Evil:%201", "%0A", "%E2%80%AEgvw.exe"),
    *(
        "con",
        "nul.wav",
        "a" * 256,
        "a" * 257,
        "%F0%9F%93%9E.wav",
        "%22;filename=x.html",
        "*",
        "%25s%25n",
        "$(id)",
        "'--",
    ),
    *(
        "x/y",
        "x//y",
        "%3Cscript%3E.html",
        "a;b=c",
        "caf%C3%A9.wav",
        "%20",
        "%2E",
        "C:%5Cwindows",
        "a%2F",
        "%2Fa",
        "-rf",
    ),
]


def sent_raw(connection: http.client.HTTPConnection, door: Door, address: str) -> tuple[int, bytes]:
    """Upload under an address that no client has tidied up."""
    connection.putrequest("PUT", f"{PATH}/{address}", skip_accept_encoding=True)
    connection.putheader("Syllable-API-Key", door.key)
    connection.putheader("Content-Length", str(len(wav())))
    connection.endheaders(wav())
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_no_name_is_ever_a_path(house: House, door: Door) -> None:
    """Each is either refused with a sentence, or kept as the name it is, and touches no file but the one it may."""
    assert len(TRAVERSALS) == 100
    digest = hashlib.sha256(wav()).hexdigest()
    around = set(house.settings.data.parent.glob("*"))
    connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=30)
    names: dict[str, str] = {}
    traversals = TRAVERSALS if house.database.folder else TRAVERSALS[::7]  # the other database is asked for letters
    for number, name in enumerate([*traversals, *STRANGE]):
        status, answer = sent_raw(connection, door, f"{number}/{name}")
        assert status in (201, 400, 404), (name, status, answer)
        if status == 201:
            names[json.loads(answer)["session_id"]] = unquote_to_bytes(name).decode()
    connection.close()
    assert set(names.values()) >= {unquote_to_bytes(name).decode() for name in traversals}
    assert len(names) > (110 if house.database.folder else 30)
    assert files(house, f"recordings/{door.organization_id}/") == {f"recordings/{door.organization_id}/{digest}"}
    assert {name for name in files(house) if not re.fullmatch(r"recordings/\d+/[0-9a-f]{64}", name)} == set()
    assert set(house.settings.data.parent.glob("*")) == around
    for session_id, name in names.items():
        (one,) = rows(house, door, session_id)
        assert one.name == name
        assert_harmless(disposition("attachment", one))
    assert fetch(links(door, max(names))[0]).bytes == wav()


def assert_harmless(disposition: str) -> None:
    """A file's name without a way out of its folder, and with the ending of what it is."""
    found = re.fullmatch(r"attachment; filename=\"([^\"]*)\"; filename\*=UTF-8''([A-Za-z0-9%._~-]*)", disposition)
    assert found, disposition
    for name in (found[1], unquote_to_bytes(found[2]).decode()):
        assert not re.search(r"[/\\\x00-\x1f]", name), disposition
        assert not name.startswith("."), disposition
        assert name.endswith(".wav"), disposition


@pytest.mark.parametrize("media_type", [one for one in KINDS if one != "audio/aac"])
def test_a_file_that_was_cut_off_is_kept_and_said_to_be_short(sqlite_house: House, media_type: str) -> None:
    """AAC has neither a length nor an end to tell it by, so that is left out."""
    door, body = sqlite_house.door(), sound(media_type)
    session_id = make_recording(door, body[: len(body) // 2])
    found = wait_until_read(sqlite_house, door, session_id)
    assert found.problem is not None
    assert "ends before its end" in found.problem
    if found.state == "ready":
        assert 400 < (found.duration_ms or 0) < 2000
    else:
        assert media_type == "audio/mp4"  # which has its table of contents at the end
    assert fetch(links(door, session_id)[0]).bytes == body[: len(body) // 2]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"RIFF\x24\0\0\0WAVE" + b"x" * 100, "damaged"),
        (b"ID3" + b"x" * 1000, "damaged"),
        (sound("audio/ogg")[:60], "damaged"),
        (wav(0.0), "No sound"),
        (wav(0.1, *[0.5] * 12), "12 channels"),
    ],
    ids=["wav", "mp3", "ogg", "empty", "twelve"],
)
def test_what_cannot_be_decoded_is_kept_and_said_to_be_unreadable(
    sqlite_house: House, body: bytes, sentence: str
) -> None:
    door = sqlite_house.door()
    found = wait_until_read(sqlite_house, door, make_recording(door, body))
    assert (found.state, found.peaks) == ("unreadable", None)
    assert sentence in (found.problem or "")


def test_a_recording_may_come_before_everything_else_that_is_told_of_its_session(house: House, door: Door) -> None:
    sid = make_sid()
    session_id = make_recording(door, sid=sid, name="a/b.wav")
    (session,) = door.search(channel_manager_sid=sid)
    assert session["session_id"] == session_id
    assert make_session(door, sid=sid) == session_id
    told = door.get(f"/hansard/v1/sessions/{session_id}/record").json
    assert told["metadata"]["recording a/b.wav"] == {
        "sha256": hashlib.sha256(wav()).hexdigest(),
        "size_bytes": len(wav()),
        "media_type": "audio/wav",
        "channels": None,
    }
    assert (told["session"]["agent_name"], told["session"]["duration"]) == ("Front desk", 10.0)


def test_a_recording_neither_reopens_an_ended_session_nor_makes_it_longer(house: House, door: Door) -> None:
    sid = make_sid()
    session_id = make_session(door, sid=sid)
    before = door.get(f"/api/v1/sessions/{session_id}").json
    put(door, wav(), sid=sid, Hansard_At=at(9000))
    assert door.get(f"/api/v1/sessions/{session_id}").json == before
    with house.database.reading() as db:
        query = f"SELECT ended_at, has_recording FROM session WHERE organization_id = {door.organization_id}"
        (row,) = db.exec_driver_sql(query).all()
    assert row.ended_at is not None
    assert row.has_recording


def test_the_same_again_changes_nothing_and_other_bytes_are_refused(house: House, door: Door) -> None:
    first = put(door, wav(), sid="1")
    before = door.get("/hansard/v1/sessions/1/record").json
    again = put(door, wav(), sid="1", Hansard_Channels="2")
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    other = put(door, wav(2.0), sid="1")
    assert other.status == 409
    assert "'call.wav'" in other.detail
    assert len(rows(house, door, "1")) == 1
    assert door.get("/hansard/v1/sessions/1/record").json == before
    assert fetch(links(door, "1")[0]).bytes == wav()
    assert len(files(house, f"recordings/{door.organization_id}/")) == 1
    assert put(door, wav(2.0), sid="1", name="other.wav").status == 201
    assert put(door, wav(), sid="2").json["session_id"] == "2"
    assert [len(rows(house, door, one)) for one in ("1", "2")] == [2, 1]
    assert [fetch(one).bytes for one in links(door, "1")] == [wav(), wav(2.0)]


def test_a_digest_that_is_sent_along_must_be_that_of_the_bytes(door: Door) -> None:
    right, wrong = (base64.b64encode(hashlib.sha256(one).digest()).decode() for one in (wav(), b"x"))
    assert put(door, wav(), sid="1", Content_Digest=f"sha-256=:{right}:").status == 201
    assert put(door, wav(), sid="1", Repr_Digest=f"sha-512=:AAAA:, sha-256=:{right}:").status == 200
    for number, header in enumerate((f"sha-256=:{wrong}:", f"sha-256={right}", "sha-256=:AAAA:", "sha-256=:!:")):
        answer = put(door, wav(), sid=f"bad-{number}", Content_Digest=header)
        assert (answer.status, type(answer.detail)) == (400, str), header
    assert len(door.search()) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Hansard_Channels": "two"}, 400),
        ({"Hansard_Channels": "0"}, 400),
        ({"Hansard_At": "2026-11-22T10:00:00"}, 400),
        ({"Hansard_At": "yesterday"}, 400),
        ({"Content_Encoding": "gzip"}, 415),
    ],
)
def test_a_header_that_cannot_be_is_refused_with_a_sentence(door: Door, headers: dict[str, str], status: int) -> None:
    answer = put(door, wav(), sid="1", **headers)
    assert (answer.status, type(answer.detail)) == (status, str)
    assert door.search() == []


def test_too_much_is_refused_whether_it_is_announced_or_not(small_house: House) -> None:
    door, body = small_house.door(), wav(15.0)
    assert len(body) > 200_000
    chunks: Any = iter([body[:150_000], body[150_000:]])
    for one in (body, chunks):
        answer = put(door, one, sid="1")
        assert (answer.status, "200000" in answer.detail) == (413, True)
    assert put(door, body[:200_000], sid="2").status == 201
    assert len(door.search()) == 1
    assert parts(small_house) == set()


def half_sent(house: House, door: Door, *, length: int) -> socket.socket:
    """An upload of which only the first 50,000 bytes were sent, and none for a moment."""
    url = urlsplit(house.url)
    one = socket.create_connection((url.hostname, url.port), timeout=20)
    headers = f"Host: x\r\nSyllable-API-Key: {door.key}\r\nContent-Length: {length}"
    one.sendall(f"PUT {PATH}/half/call.wav HTTP/1.1\r\n{headers}\r\n\r\n".encode() + wav(5.0)[:50_000])
    deadline = time.monotonic() + 60
    while not parts(house) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(parts(house)) == 1
    return one


def test_an_upload_that_stops_or_breaks_off_leaves_nothing(small_house: House) -> None:
    door = small_house.door()
    slow = half_sent(small_house, door, length=len(wav(5.0)))
    assert b" 408 " in slow.recv(4096).split(b"\r\n")[0]
    slow.close()
    wait_for(lambda: parts(small_house) == set())
    half_sent(small_house, door, length=len(wav(5.0))).close()
    wait_for(lambda: parts(small_house) == set())
    assert door.search() == []
    assert files(small_house, f"recordings/{door.organization_id}/") == set()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_range_is_a_slice(data: st.DataObject) -> None:
    """Against slicing, over every form that a range may have."""
    body = bytes(range(data.draw(st.integers(0, 40))))
    first, last = data.draw(st.integers(0, 50)), data.draw(st.integers(0, 50))
    cases = {
        f"bytes={first}-{last}": body[first : last + 1] if first <= last else None,
        f"bytes={first}-": body[first:],
        f"bytes=-{last}": body[-last:] if last else b"",
    }
    for header, expected in cases.items():
        found = range_of(header, len(body))
        got = None if found is None else body[found[0] : found[1]]
        assert got == expected, header
        assert found is None or found == (0, 0) or found[0] < found[1] <= len(body)


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=5-2", "bytes=0-1-2", "bytes=\u0661-"],
)
def test_a_range_that_is_not_understood_is_answered_with_all(header: str) -> None:
    assert range_of(header, 100) is None


def test_ranges_are_served(house: House, door: Door) -> None:
    body = wav(20.0, hz=48000)
    assert len(body) > 1024 * 1024
    (link,) = links(door, make_recording(door, body))
    size, middle = len(body), 1024 * 1024
    for header, (start, stop) in {
        "bytes=0-0": (0, 1),
        "bytes=0-": (0, size),
        f"bytes={size - 1}-": (size - 1, size),
        "bytes=-1": (size - 1, size),
        f"bytes={middle - 3}-{middle + 4}": (middle - 3, middle + 5),
        f"bytes=100-{size * 2}": (100, size),
        f"bytes=-{size * 2}": (0, size),
    }.items():
        got = fetch(link, Range=header)
        assert (got.status, got.bytes == body[start:stop]) == (206, True), header
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert got.headers["content-length"] == str(stop - start)
    for header in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0"):
        got = fetch(link, Range=header)
        assert (got.status, got.bytes, got.headers["content-range"]) == (416, b"", f"bytes */{size}"), header
    for header in ("bytes=0-1,5-6", "rubbish"):
        got = fetch(link, Range=header)
        assert (got.status, got.bytes == body) == (200, True), header
    whole = fetch(link)
    assert "content-range" not in whole.headers
    assert whole.headers["accept-ranges"] == "bytes"


def test_a_range_of_something_that_has_changed_is_all_of_it(door: Door) -> None:
    (link,) = links(door, make_recording(door))
    etag = fetch(link).headers["etag"]
    assert fetch(link, Range="bytes=0-3", If_Range=etag).bytes == wav()[:4]
    for other in ('"other"', f"W/{etag}", "Sun, 22 Nov 2026 10:00:00 GMT"):
        assert fetch(link, Range="bytes=0-3", If_Range=other).status == 200


def test_head_says_what_get_would(door: Door) -> None:
    (link,) = links(door, make_recording(door))
    got, head = fetch(link), fetch(link, "HEAD", Range="bytes=0-3")
    assert (head.status, head.bytes) == (200, b"")
    left = {"date"}
    assert {k: v for k, v in head.headers.items() if k not in left} == {
        k: v for k, v in got.headers.items() if k not in left
    }


@pytest.mark.parametrize(
    ("headers", "is_sound"),
    [
        ({}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": "application/octet-stream"}, False),
        ({"Accept": "application/json"}, False),
        ({"Accept": "audio/*"}, True),
        ({"Accept": "audio/wav"}, True),
        ({"Accept": "audio/webm,audio/ogg,audio/wav,audio/*;q=0.9,application/ogg;q=0.7,*/*;q=0.5"}, True),
        ({"Accept": "audio/*;q=0.2, application/octet-stream;q=0.8"}, False),
        ({"Accept": "audio/*;q=0"}, False),
        ({"Accept": "*/*", "Sec_Fetch_Dest": "audio"}, True),
        ({"Accept": ";;;,,q=x"}, False),
    ],
)
def test_it_is_sent_as_bytes_or_as_sound_as_is_asked(door: Door, headers: dict[str, str], is_sound: bool) -> None:
    got = fetch(links(door, make_recording(door))[0], **headers)
    assert got.headers["content-type"] == ("audio/wav" if is_sound else "application/octet-stream")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, no-store"


def test_a_link_is_good_for_a_quarter_of_an_hour(house: House, door: Door) -> None:
    (link,) = links(door, make_recording(door))
    house.clock.ahead = timedelta(minutes=14, seconds=50)
    assert fetch(link).status == 200
    house.clock.ahead = timedelta(minutes=15, seconds=10)
    late = fetch(link)
    assert (late.status, "expired" in late.detail) == (403, True)
    assert fetch(links(door, "1")[0]).status == 200


def test_the_link_itself_is_a_good_token_too(door: Door) -> None:
    (link,) = links(door, make_recording(door))
    path = "/api/v1/sessions/recording/stream"
    assert door.get(path, token=link).bytes == wav()
    assert door.get(path, token=link.split("token=")[1]).bytes == wav()
    missing = Door(door.url, "").get(path)
    assert (missing.status, missing.detail[0]["loc"]) == (422, ["query", "token"])


def test_a_token_opens_what_it_was_made_for_and_nothing_else(house: House, door: Door) -> None:
    """Not with a letter changed, not for another recording, not another organization's, not for longer."""
    make_recording(door)
    make_recording(door, wav(2.0))
    other = house.door()
    make_recording(other, wav(3.0))
    token = links(door, "1")[0].split("token=")[1]
    organization, recording, until, signature = token.split(".")
    forged = [
        f"{organization}.2.{until}.{signature}",
        f"{other.organization_id}.{recording}.{until}.{signature}",
        f"{organization}.{recording}.{int(until) + 60}.{signature}",
        f"{organization}.{recording}.{until}.",
        f"{organization}.{recording}.{until}",
        f"999999999999999.{recording}.{until}.{signature}",
        f"{'9' * 30}.{recording}.{until}.{signature}",
        f"0{token}",
        *("", "x", ".", "\0", "é", "http://[", "http://[::1?token=x", "?token=", "a" * 5000, token + "\n"),
    ]
    forged += [token[:place] + chr(ord(token[place]) ^ 1) + token[place + 1 :] for place in range(len(token) - 1)]
    for one in forged:
        answer = Door(door.url, "").get("/api/v1/sessions/recording/stream", token=one)
        assert (answer.status, type(answer.detail)) == (404, str), one
    assert fetch(links(door, "1")[0]).bytes == wav()


def test_another_signing_key_takes_back_an_organizations_links_and_nobody_elses(house: House, door: Door) -> None:
    other = house.door()
    mine, theirs = (links(one, make_recording(one))[0] for one in (door, other))
    change = text("UPDATE organization SET signing_key = :key WHERE id = :id")
    values = {"key": os.urandom(32), "id": door.organization_id}
    house.database.write(door.organization_id, lambda db: db.execute(change, values) and None)
    assert (fetch(mine).status, fetch(theirs).status) == (404, 200)
    assert fetch(links(door, "1")[0]).status == 200


def test_a_key_beside_a_token_must_be_good_and_of_the_same_organization(house: House, door: Door) -> None:
    token = links(door, make_recording(door))[0].split("token=")[1]
    path = "/api/v1/sessions/recording/stream"
    assert Door(door.url, "").get(path, token=token).bytes == wav()
    assert house.door(door.organization_id, Scope.INGEST).get(path, token=token).bytes == wav()
    assert Door(door.url, "wrong").get(path, token=token).status == 401
    assert house.door().get(path, token=token).status == 404


def test_the_links_begin_as_people_reach_the_server(make_settings: Callable[..., Settings]) -> None:
    with contextmanager(open_house)(make_settings("sqlite", public_url="https://hansard.example.com/")) as house:
        door = house.door()
        (link,) = links(door, make_recording(door))
    assert link.startswith("https://hansard.example.com/api/v1/sessions/recording/stream?token=")


def test_bytes_that_are_gone_or_cut_are_said_to_be_before_anything_is_sent(house: House, door: Door) -> None:
    (link,) = links(door, make_recording(door))
    path = house.settings.data / "recordings" / str(door.organization_id) / hashlib.sha256(wav()).hexdigest()
    path.write_bytes(wav()[:-1])
    answers = [fetch(link), fetch(link, "HEAD"), fetch(link, Range="bytes=0-3")]
    path.unlink()
    answers += [fetch(link), fetch(link, "HEAD"), fetch(link, Range="bytes=0-3")]
    assert {one.status for one in answers} == {404}
    assert "not where they were put" in answers[0].detail
    assert put(door, wav(), sid="again").status == 201
    assert fetch(link).bytes == wav()


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_is_said_and_nothing_is_half_written(
    house: House, door: Door, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, where, full)
        answer = put(door, wav(), sid="1")
    assert (answer.status, answer.headers["retry-after"]) == (507, "30")
    assert door.search() == []
    assert files(house, f"recordings/{door.organization_id}/") | parts(house) == set()
    assert put(door, wav(), sid="1").status == 201


def test_power_may_go_at_any_moment_and_no_row_is_without_its_bytes(
    house: House, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step of an upload in its order; whatever was not synced before the power went is taken as lost."""
    body = wav(0.1)  # so little that it stays in a buffer until somebody flushes that
    steps: list[tuple[str, int]] = []
    sizes: dict[int, int] = {}
    fsync, replace, submit = os.fsync, os.replace, house.database.writer.submit

    def synced(handle: int) -> None:
        fsync(handle)
        found = os.fstat(handle)
        steps.append(("sync", found.st_ino))
        sizes.setdefault(found.st_ino, found.st_size)

    def renamed(source: Any, target: Any) -> None:
        replace(source, target)
        steps.append(("rename", os.stat(target).st_ino))

    def submitted(organization_id: int, work: Any) -> Any:
        if getattr(work, "func", None) is add_recording:  # not what the job writes at the same time
            steps.append(("row", 0))
        return submit(organization_id, work)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(house.database.writer, "submit", submitted)
    assert put(door, body, sid="1").status == 201
    root = house.settings.data / "recordings"
    path = root / str(door.organization_id) / hashlib.sha256(body).hexdigest()
    content = steps.index(("sync", path.stat().st_ino))
    rename = steps.index(("rename", path.stat().st_ino))
    row = steps.index(("row", 0))
    assert content < rename < row
    assert sizes[path.stat().st_ino] == len(body)
    for folder in (path.parent, root, root.parent):
        assert rename < steps.index(("sync", folder.stat().st_ino)) < row


def test_leftovers_of_broken_uploads_go_when_they_are_old(make_settings: Callable[..., Settings]) -> None:
    made = make_settings("sqlite")
    incoming = made.data / "recordings" / "incoming"
    incoming.mkdir(parents=True)
    old, young, other = (incoming / name for name in ("part-old", "part-young", "other"))
    for one in (old, young, other):
        one.write_bytes(b"x")
        os.utime(one, (time.time() - 90_000, time.time() - (3600 if one is young else 90_000)))
    with contextmanager(open_house)(made):
        wait_for(lambda: not old.exists())
    assert young.exists()
    assert other.exists()


def test_the_console_plays_it_to_whoever_may_look(house: House, door: Door) -> None:
    session_id = make_recording(door, wav(1.0, 0.5, 0.0))
    wait_until_read(house, door, session_id)
    (one,) = rows(house, door, session_id)
    path = f"/s/{session_id}/recordings/{one.id}"
    viewer = visitor(house, Role.VIEWER, door.organization_id)
    whole, some = viewer.get(path), viewer.get(path, Range="bytes=0-3")
    assert (whole.status, whole.headers["content-type"], whole.bytes) == (200, "audio/wav", wav(1.0, 0.5, 0.0))
    assert (some.status, some.bytes) == (206, b"RIFF")
    assert viewer.get(f"{path}/peaks").bytes == one.peaks
    assert visitor(house).get(path).status == 303
    make_recording(door)
    assert viewer.get(f"/s/2/recordings/{one.id}").status == 404
    assert viewer.get(f"/s/{session_id}/recordings/99").status == 404
    other = house.door()
    make_session(other)
    stranger = visitor(house, Role.OWNER, other.organization_id)
    for address in (path, f"{path}/peaks"):
        assert stranger.get(address).status == 404


def test_every_statement_about_recordings_names_the_organization(house: House, door: Door) -> None:
    house.statements.clear()
    session_id = make_recording(door)
    fetch(links(door, session_id)[0])
    wait_until_read(house, door, session_id)
    assert len(house.statements) > 15
    for statement in house.statements:
        is_bookkeeping = statement.split()[0] in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
        assert is_bookkeeping or "organization" in statement or "pg_" in statement, statement
