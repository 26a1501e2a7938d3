"""Hansard: the verbatim record of what AI agents and people said to each other.

`Session` is the record, `Recorder` writes it. Both are loaded when first asked for, so that importing this
package costs an agent next to nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hansard.recorder import Recorder as Recorder
    from hansard.session import Session as Session

__version__ = "0.1.0"
__all__ = ["Recorder", "Session", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Session":
        from hansard.session import Session

        return Session
    if name == "Recorder":
        from hansard.recorder import Recorder

        return Recorder
    raise AttributeError(f"module 'hansard' has no attribute {name!r}")
