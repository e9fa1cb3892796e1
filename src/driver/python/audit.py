"""Python's audit events: sockets that connect, and programs that connect by themselves.

The hook stays for the life of the process, and is called for each event of the interpreter,
so what it does for most of them is one comparison. Programs are not stopped: they have the
requested environment, whose PGHOST is our server's, but nobody sees their statements.
"""
import os
import shlex
import sys

from .guard import GUARD

CLIENTS = ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pgbench", "createdb", "dropdb", "createuser", "dropuser", "vacuumdb",
           "reindexdb", "clusterdb", "alembic", "pgloader")
_INSTALLED = []


def install():
    if not _INSTALLED:
        _INSTALLED.append(True)
        sys.addaudithook(_hook)


def _hook(event, args):
    if event in _EVENTS:
        _EVENTS[event](args)


def _connect(args):
    GUARD.check_socket(args[1], "socket")


def _send(args):
    # sendmsg on a connected socket has no address.
    if args[1] is not None:
        GUARD.check_socket(args[1], "socket")


def _program(executable, arguments):
    target = GUARD.target
    if target is None:
        return
    name = os.path.basename(os.fsdecode(executable or (arguments[0] if arguments else "")))
    interpreter = name.startswith("python")
    if name in ("sh", "bash", "dash", "env") and arguments:
        for word in _words(arguments):
            if os.path.basename(word) in CLIENTS:
                name = os.path.basename(word)
    if name in CLIENTS or interpreter:
        target.recorder.unobserved("program: " + name, target.places.current())


def _words(arguments):
    words = []
    for argument in arguments:
        try:
            words += shlex.split(os.fsdecode(argument))
        except (ValueError, TypeError):
            pass
    return words


def _popen(args):
    arguments = args[1]
    if isinstance(arguments, (str, bytes)):
        arguments = [arguments]
    _program(args[0], [a for a in arguments if isinstance(a, (str, bytes, os.PathLike))])


def _exec(args):
    _program(args[0], list(args[1]))


def _system(args):
    _program("sh", [args[0]])


_EVENTS = {"socket.connect": _connect, "socket.sendto": _send, "socket.sendmsg": _send, "subprocess.Popen": _popen,
           "os.exec": _exec, "os.posix_spawn": _exec, "os.system": _system}
