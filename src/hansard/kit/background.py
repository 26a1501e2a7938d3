"""What a thread of the server does by itself until it is closed; what fails is told to the log and tried again."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from hansard.kit.errors import HansardError

T = TypeVar("T")
_log = logging.getLogger("hansard")


class Background(ABC):
    """A thread that is started once, and works until `stopped` is set. A derived class says what it does."""

    def __init__(self, name: str) -> None:
        self.stopped = threading.Event()
        self._thread = threading.Thread(target=self.run, name=f"hansard-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the piece of work at hand; again, or before the start, it does nothing."""
        self.stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    @abstractmethod
    def run(self) -> None:
        """Work until `stopped` is set."""


def tried(work: Callable[[], T], what: str) -> T | None:
    """What `work` gives; None where it failed, and the log says that `what` did."""
    try:
        return work()
    except HansardError as error:
        _log.warning("%s cannot be done now: %s It will be tried again.", what, error.sentence)
    except Exception:
        _log.exception("%s failed; it will be tried again.", what)
    return None
