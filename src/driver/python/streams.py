"""What a target prints: cut at the marks of its steps, bounded for each step and stream."""
from .capture import MARK

# A mark holds a revision id, which no project makes longer than this.
LONGEST_MARK = 1024


class Stream:
    """One of a target's two streams, in the supervisor."""

    def __init__(self, name, token, limit, emit):
        self.name = name
        self.start = MARK + token.encode() + b":"
        self.limit = max(0, limit)
        self.emit = emit
        self.revision = None
        self.pending = b""
        self._clear()

    def _clear(self):
        self.head = b""
        self.tail = b""
        self.dropped = 0

    def feed(self, data):
        data = self.pending + data
        self.pending = b""
        while data:
            at = data.find(self.start)
            if at < 0:
                kept = self._unfinished_start(data)
                self._keep(data[:len(data) - kept])
                self.pending = data[len(data) - kept:]
                return
            end = data.find(b"\x00", at + len(self.start))
            self._keep(data[:at])
            if end < 0:
                if len(data) - at <= LONGEST_MARK:
                    self.pending = data[at:]
                else:
                    self._keep(data[at:])
                return
            self.flush()
            name = data[at + len(self.start):end].decode("utf-8", "replace")
            self.revision = name or None
            data = data[end + 1:]

    def _unfinished_start(self, data):
        """How many bytes at the end may be the beginning of a mark."""
        for length in range(min(len(self.start) - 1, len(data)), 0, -1):
            if self.start.startswith(data[-length:]):
                return length
        return 0

    def _keep(self, data):
        """Keeps the first and the last half of the limit: the beginning and the failure say the most."""
        half = self.limit // 2
        room = half - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        if not data:
            return
        self.tail += data
        over = len(self.tail) - (self.limit - half)
        if over > 0:
            self.tail = self.tail[over:]
            self.dropped += over

    def flush(self):
        if self.head or self.dropped:
            between = b"\n[%d bytes left out]\n" % self.dropped if self.dropped else b""
            text = (self.head + between + self.tail).decode("utf-8", "replace")
            self.emit("output", revision=self.revision, stream=self.name, text=text, dropped_bytes=self.dropped)
        self._clear()

    def finish(self):
        self._keep(self.pending)
        self.pending = b""
        self.flush()
