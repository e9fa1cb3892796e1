"""Which line of the project caused what happens now, or what was raised.

A revision is recognised by its module's variables `revision` and
`down_revision`, not by its folder, since projects have several folders and load
files of any name. Preferred is the deepest frame of a revision, then of env.py,
then of any other file of the project. Frames of the standard library, of installed packages
and of the driver are no places.
"""
import linecache
import os
import sys
import sysconfig

TEXT_CHARACTERS = 200
TRACEBACK_PLACES = 50

_INSTALLED = ("site-packages", "dist-packages")


class Places:
    def __init__(self):
        self.env_file = None
        self.known = {}
        self.roots = set()
        for name in ("stdlib", "platstdlib"):
            path = sysconfig.get_path(name)
            if path:
                self.roots.add(os.path.join(os.path.realpath(path), ""))
                self.roots.add(os.path.join(path, ""))

    def set_script_directory(self, directory):
        self.env_file = os.path.abspath(os.path.join(directory, "env.py"))

    def kind(self, code, variables):
        """"revision", "env", "project" or None for a frame."""
        file = code.co_filename
        kind = self.known.get(file)
        if kind is None:
            kind = self.known[file] = self._kind_of_file(file)
        if kind == "driver":
            return None
        if "down_revision" in variables and "revision" in variables:
            return "revision"
        if kind == "other":
            return None
        return kind

    def _kind_of_file(self, file):
        if file.startswith("<"):
            return "driver" if file.startswith("<mig-ci>") else "other"
        absolute = os.path.abspath(file)
        # A project that is installed has its env.py among the installed packages.
        if self.env_file and (absolute == self.env_file or os.path.realpath(absolute) == os.path.realpath(self.env_file)):
            return "env"
        if any(part in _INSTALLED for part in absolute.split(os.sep)):
            return "other"
        if any(absolute.startswith(root) for root in self.roots):
            return "other"
        # Installed scripts such as bin/alembic.
        if os.path.dirname(absolute) == os.path.dirname(sys.executable):
            return "other"
        return "project"

    def place(self, code, line):
        file = os.path.abspath(code.co_filename)
        return {"file": file, "line": line, "function": code.co_name,
                "text": linecache.getline(code.co_filename, line).strip()[:TEXT_CHARACTERS]}

    def current(self, frame=None):
        """The place of what runs now: of the calling thread's stack, over the borders of greenlets."""
        best = None
        for frame in _frames(frame or sys._getframe(1)):
            kind = self.kind(frame.f_code, frame.f_globals)
            if kind == "revision":
                return self.place(frame.f_code, frame.f_lineno)
            if kind and (best is None or (kind == "env" and best[0] != "env")):
                best = (kind, frame.f_code, frame.f_lineno)
        return self.place(best[1], best[2]) if best else None

    def of_traceback(self, traceback):
        """The preferred place, and the places of the project's own frames, outermost first."""
        own = []
        while traceback is not None:
            frame = traceback.tb_frame
            kind = self.kind(frame.f_code, frame.f_globals)
            if kind:
                own.append((kind, frame.f_code, traceback.tb_lineno))
            traceback = traceback.tb_next
        for wanted in ("revision", "env", "project"):
            found = [entry for entry in own if entry[0] == wanted]
            if found:
                best = self.place(found[-1][1], found[-1][2])
                break
        else:
            best = None
        return best, [self.place(code, line) for _, code, line in own[-TRACEBACK_PLACES:]]


def _frames(frame):
    """The frames from the inside out. SQLAlchemy's asyncio support runs in greenlets, whose outer frames are the parents'."""
    greenlet = sys.modules.get("greenlet")
    current = greenlet.getcurrent() if greenlet else None
    while True:
        while frame is not None:
            yield frame
            frame = frame.f_back
        current = current.parent if current is not None else None
        if current is None:
            return
        frame = current.gr_frame
