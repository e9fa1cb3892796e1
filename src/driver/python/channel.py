"""The events of one target process: JSON lines on a descriptor of their own.

Only the process that was started writes events. A child that the project
forks has the same descriptor, but its statements are not those of the target;
from it only refusals and the fact that it connected are reported, in single writes
that the kernel does not mix with others.
"""
import json
import os
import threading

from . import descriptors

# The exit code of a target whose event descriptor the project has closed or replaced.
CHANNEL_LOST = 97
# POSIX guarantees at least 512 bytes for writes to pipes that are not mixed with others; Linux has 4096.
ATOMIC_BYTES = 4000 if os.uname().sysname == "Linux" else 500


def encode(event):
    """One line of JSON. Lone surrogates, which JSON readers refuse, become question marks."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace") + b"\n"


# Events that a project can cause without end. Statements have a limit of their own, since failed ones are always sent.
_LIMITED = ("notice", "transaction", "unobserved", "connection", "refused")


class Channel:
    def __init__(self, fd, run_id, limit):
        self.limit = limit
        self.sent = dict.fromkeys(_LIMITED, 0)
        self.writer = descriptors.Writer(fd)
        self.id = run_id
        self.pid = os.getpid()
        self.lock = threading.Lock()

    def foreign(self):
        """Whether this is a forked child of the target process."""
        return os.getpid() != self.pid

    def emit(self, type_, **fields):
        if self.foreign():
            return
        if type_ in self.sent:
            self.sent[type_] += 1
            if self.sent[type_] > self.limit:
                return
        event = {"type": type_, "id": self.id}
        event.update(fields)
        line = encode(event)
        with self.lock:
            written = self.writer.write(line)
        if not written:
            # Without events there is no evidence. The process must not go on unseen.
            os._exit(CHANNEL_LOST)

    def not_sent(self):
        """How many events of each kind were over the limit."""
        return {name: count - self.limit for name, count in self.sent.items() if count > self.limit}

    def emit_from_child(self, type_, **fields):
        """An event that counts even from a forked child. Without the lock, which a fork may have copied as held."""
        if not self.foreign():
            self.emit(type_, **fields)
            return
        event = {"type": type_, "id": self.id, "child": True}
        event.update(fields)
        line = encode(event)
        if len(line) > ATOMIC_BYTES:
            event["place"] = None
            event["reason"] = str(event.get("reason", ""))[:300]
            line = encode(event)
        if len(line) <= ATOMIC_BYTES:
            self.writer.write(line)
