"""A thread that works beside the senders until it is told to stop."""

from __future__ import annotations

import threading

LAST_S = 1.0
"""Between a helper's last deed and the end of its thread nothing is left to do."""


class Helper(threading.Thread):
    """`work` is what it does; it looks at `stop_asked`, and rests with `rest`.

    Whoever waits for it may be interrupted by a signal whose handler waits for it too. Of what `threading` has, a
    condition bears that; `Thread.join` without a bound and `Event` wait for what they interrupted, for ever.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stop_asked = False
        self.ended = False
        self.changed = threading.Condition()

    def work(self) -> None:
        """Work until `stop_asked`."""
        raise NotImplementedError

    def run(self) -> None:
        try:
            self.work()
        finally:
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait for a while, or until something changes."""
        with self.changed:
            if not self.stop_asked:
                self.changed.wait(seconds)

    def stop(self, timeout: float | None = None) -> None:
        """Have it end what it has to, and wait for that."""
        with self.changed:
            self.stop_asked = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.ended or self.ident is None, timeout)
        if self.ended:
            self.join(LAST_S)
