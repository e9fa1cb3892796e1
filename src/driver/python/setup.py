"""A set-up command that is Python: run by this interpreter with the same guard and the same records as a target.

`python -m module …`, `python file.py …` and `python -c code …` are such commands; others, and other
options of the interpreter, are started as they are, and nobody sees their connections.
"""
import os
import runpy
import sys

from . import descriptors
from . import drivers
from . import target

class Setup(target.Target):
    """The part of a target that needs no Alembic."""

    def operate(self):
        command = self.run["command"]
        if command[1] == "-m":
            sys.path[0] = os.getcwd()
            sys.argv[:] = command[2:]
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        elif command[1] == "-c":
            sys.path[0] = ""
            sys.argv[:] = ["-c"] + command[3:]
            exec(compile(command[2], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.path[0] = os.path.dirname(os.path.abspath(command[1]))
            sys.argv[:] = command[1:]
            runpy.run_path(command[1], run_name="__main__")


def main(document):
    """The entry of a process that the supervisor has started for a set-up command."""
    request = document["request"]
    event_fd = descriptors.high(request["event_fd"])
    os.close(request["event_fd"])
    descriptors.null(0, os.O_RDONLY)
    target.as_console_script()
    setup = Setup(request["run"], event_fd, request["token"])
    # The command may use SQLAlchemy or not; it is not imported for it.
    drivers.FUNCTIONS["sqlalchemy"] = lambda module: setup.listen()
    target.install()
    os._exit(setup.execute())
