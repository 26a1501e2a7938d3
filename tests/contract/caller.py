"""Runs inside the environment of one published SDK: reads calls, a JSON object a line, and answers them.

Knows nothing of Hansard. What the SDK returns or raises is given back as it is.
"""

import hashlib
import json
import sys
from typing import Any

from syllable_sdk import SyllableSDK


def answer(sdks: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    key, url = asked["key"], asked["url"]
    sdk = sdks.setdefault(key, SyllableSDK(api_key_header=key, server_url=url))
    called = sdk
    for name in asked["operation"].split("."):
        called = getattr(called, name)
    try:
        return {"result": shown(called(**asked["arguments"]))}
    except Exception as error:
        return {"error": type(error).__name__, "status": status(error), "data": detail(error), "text": str(error)}


def shown(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "read"):
        return hashlib.sha256(value.read()).hexdigest()
    return value


def status(error: Any) -> Any:
    return getattr(error, "status_code", None)


def detail(error: Any) -> Any:
    found = getattr(getattr(error, "data", None), "detail", None)
    if isinstance(found, list):
        return [shown(one) for one in found]
    return found if isinstance(found, str) else None


def main() -> None:
    sdks: dict[str, Any] = {}
    for line in sys.stdin:
        print(json.dumps(answer(sdks, json.loads(line)), default=str), flush=True)


main()
