"""Two hundred texts that want to be markup, script, style or template, and a session that has them everywhere."""

from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import cycle, islice
from typing import Any

from tests.make import at, called, end, make_event, measured, said, start

_VECTORS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror='alert(1)'/>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext></mtext><script>alert(1)</script></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=//evil.example/x.swf>",
    "<a href=javascript:alert(1)>here</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>here</a>",
    "<form action=//evil.example><input name=password autofocus onfocus=alert(1)></form>",
    "<button formaction=javascript:alert(1)>Play</button>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<style>*{display:none}</style>",
    "<style>@import '//evil.example/x.css';</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<dialog open onclose=alert(1)>x</dialog>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<x onclick=alert(1) style=position:fixed;inset:0>",
    "<div popover onbeforetoggle=alert(1)>x</div>",
    "javascript:alert(1)//",
    "{{ 7 * 7 }}{% include 'base.html' %}{# x #}",
    "${alert(1)}`${alert(1)}`",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#60;b&#62;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u202e<b>backwards</b>\u2066\u2028line\u2029",
    "ﾊﾟ𝕏😀\u0301\u200d\ufeff<i>\u0000</i>".replace("\u0000", ""),
)
_WRAPS = ("{}", '">{}', "'>{}", "</pre></textarea></title></script>{}", '" onmouseover="alert(1)" x="{}')
TEXTS = tuple(
    wrap.format(vector) if vector[0] != "{" else wrap.replace("{}", vector) for wrap in _WRAPS for vector in _VECTORS
)
assert len(set(TEXTS)) == 200

HEADING = 20
PLAIN = tuple(f"plain text {number}" for number in range(len(TEXTS)))


def hostile_session(sid: str, texts: Sequence[str] = TEXTS, heading: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A session with these texts in every recorded field: those that repeat hold all of `texts`, the others one each
    of `heading`.
    """
    head = list(islice(cycle(heading or texts), HEADING))
    fields: tuple[str, ...] = ("agent_id", "agent_name", "agent_type", "agent_timezone", "prompt_id", "prompt_name")
    fields += (
        "prompt_version",
        "source",
        "target",
        "conversation_id",
        "channel_manager_type",
        "override_timestamp",
        "experiment_id",
    )
    fields += ("experiment_variant", "llm_provider", "llm_model", "llm_version")
    metadata = {text: {text: text} for text in texts}
    said_once: dict[str, Any] = dict(zip(fields, head, strict=False))
    events = [start(sid, **said_once)]
    for number, text in enumerate(texts):
        events += _all_of(sid, text, number * 4)
    events.append(make_event("session.update", metadata | {"summary": head[17], "rating": head[18]}, sid=sid))
    events.append(end(sid, len(texts) * 4, reason=head[19]))
    return events


def _all_of(sid: str, text: str, second: float) -> list[dict[str, Any]]:
    event = {"category": text, "type": text, "description": text, "source": text, "source_id": text, "user_id": text}
    label = {"type": "human-rating", "code": "BAD", "user_email": text, "comments": text, "issue_categories": [text]}
    began = {"started_at": at(second), "ended_at": at(second + 1)}
    return [
        said(sid, "user", text, second, lang=text, **began),
        measured(sid, "llm", 100, second + 1.1, label=text, started_at=at(second + 1), metadata=[text]),
        called(sid, text, second + 1.2, call_id=text, arguments={text: [text]}, result=text, error={text: text}),
        make_event("event", event | {"attributes": {text: text}}, sid=sid, seconds=second + 1.4),
        said(sid, "agent", text, second + 1.5, lang=text, interrupted=True),
        make_event("label", label, sid=sid, seconds=10_000 + second),
    ]


class Outline(HTMLParser):
    """What a page is made of: its tags with the names of their attributes, and apart from that its texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.values: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attributes)))
        self.values += [(name, value or "") for name, value in attributes]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)
