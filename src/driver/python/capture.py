"""Marks in the project's stdout and stderr where steps begin and end.

The supervisor reads both pipes, so output of subprocesses and of C code counts
as well, and a process that writes more than a pipe holds does not block. A mark is written
to a duplicate of the same pipe: it keeps its order with the text, also when the
project has put something else on descriptor 1 or 2.
"""
import sys

from . import descriptors

MARK = b"\x00mig-ci:"


def mark(token, revision):
    return MARK + token.encode() + b":" + (revision or "").encode("utf-8", "replace") + b"\x00"


class Capture:
    def __init__(self, token):
        self.token = token
        self.writers = [descriptors.Writer(descriptors.high(fd)) for fd in (1, 2)]
        self.revision = None

    def flush(self):
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()
            except Exception:
                # The project may have closed or replaced the stream.
                pass

    def boundary(self, revision):
        """All text until now belongs to the step before, and what follows to `revision`."""
        self.flush()
        if revision == self.revision:
            return
        self.revision = revision
        for writer in self.writers:
            writer.write(mark(self.token, revision))
