"""Decides which connections are made: to our server and our databases, and to nothing else.

An env.py with an address of its own would migrate that server, from a pull request.
Each attempt is compared before a packet is sent. What is not known with certainty
is refused: a service file, a host name with other addresses than our server's,
a connection without a host. So are other TCP and UDP connections
that Python makes: a migration that depends on another service gives
another result tomorrow. Name resolution is no connection.
"""
import os
import socket
import threading


class ConnectionRefusedByMigCi(Exception):
    """A connection that mig-ci has refused. The run counts as refused, even if the project catches this."""


class Guard:
    """The rules of one target process; in a template, which has no server, all connections are refused."""

    def __init__(self):
        self.server = None
        self.databases = set()
        self.addresses = set()
        self.target = None
        self.refusals = []
        self.connections = 0
        self.lock = threading.Lock()

    def allow(self, server, databases, target):
        """Begins a target: from now on its server is allowed. `databases` is kept, since the project's Config can add to it."""
        self.server = server
        self.databases = databases
        self.target = target
        self.refusals = []
        self.connections = 0
        self.addresses = _addresses(server["host"]) if server and server.get("host") else set()

    # What drivers ask

    def check(self, driver, host, port, database, user, hostaddr=None, via=None):
        """Raises, unless the address is our server's and the database one of ours. `host` may be a socket folder."""
        reason = self.reason(host, port, database, hostaddr)
        where = hostaddr or host
        if reason is not None:
            self.refuse(driver, where, port, database, reason)
        with self.lock:
            self.connections += 1
        target = self.target
        place = target.places.current()
        if target.channel.foreign():
            target.channel.emit_from_child("unobserved", revision=None, count=1, place=place, driver="forked process: " + driver)
            return
        via = via or ("sqlalchemy" if _through_sqlalchemy() else "direct")
        target.channel.emit("connection", driver=driver, host=where, port=_number(port), database=database, user=user, via=via, place=place)

    def reason(self, host, port, database, hostaddr=None):
        """Why a connection is refused, or None."""
        if self.server is None:
            return "no server belongs to this step"
        hosts = str(hostaddr or host or "").split(",")
        ports = str(port if port is not None else "").split(",")
        if not (hostaddr or host):
            return "no host is given, so that the client library decides where it connects"
        if len(ports) not in (1, len(hosts)):
            return "the numbers of hosts and ports differ"
        for index, one in enumerate(hosts):
            reason = self._address(one, ports[index if len(ports) > 1 else 0])
            if reason is not None:
                return reason
        if database not in self.databases:
            return "the database is %s, and not %s" % (database, " or ".join(sorted(map(str, self.databases))))
        return None

    def _address(self, host, port):
        server = self.server
        if _number(port) != int(server["port"]):
            return "the port is %s, and not %s" % (port or "unknown", server["port"])
        if host.startswith("/") or host.startswith("@"):
            folder = server.get("socket_dir")
            if folder and os.path.realpath(host) == os.path.realpath(folder):
                return None
            return "the socket folder is %s, and not %s" % (host, folder or "the server's TCP address")
        if server.get("host") and (host == server["host"] or self._same_address(host)):
            return None
        return "the host is %s, and not %s" % (host or "unknown", server.get("host") or server.get("socket_dir"))

    def _same_address(self, host):
        """Whether a name can only mean our server: `localhost` with ::1 as well does not."""
        found = _addresses(host)
        return bool(found) and found <= self.addresses

    def check_socket(self, address, kind):
        """Any socket of Python that connects or sends to an address."""
        server = self.server
        if isinstance(address, (str, bytes)):
            path = os.fsdecode(address)
            folder = server and server.get("socket_dir")
            if folder and os.path.realpath(path) == os.path.realpath(os.path.join(folder, ".s.PGSQL.%s" % server["port"])):
                return
            # The processes of multiprocessing talk by such sockets; PostgreSQL's have another name.
            if os.path.basename(path.lstrip("\0")).startswith("listener-"):
                return
            self.refuse(kind, path, None, None, "mig-ci allows connections to its own PostgreSQL server only")
        elif isinstance(address, tuple) and len(address) >= 2:
            host, port = address[0], address[1]
            if server and _number(port) == int(server["port"]) and (host in self.addresses or host == server.get("host")):
                return
            self.refuse(kind, host, port, None, "mig-ci allows connections to its own PostgreSQL server only")

    def refuse(self, driver, host, port, database, reason):
        """Reports the attempt and raises."""
        place = None
        advice = "; pass mig-ci's address to the project by `env`, `args` or `options` ({url}, {host}, {port}, {dbname})"
        with self.lock:
            self.refusals.append(reason)
        if self.target is not None:
            place = self.target.places.current()
            self.target.channel.emit_from_child("refused", driver=driver, host=None if host is None else str(host), port=_number(port),
                                                database=database, place=place, reason=reason + advice)
        raise ConnectionRefusedByMigCi("mig-ci refused a connection of %s to %s:%s, database %s: %s%s" % (
            driver, host, port, database, reason, advice))


def _number(port):
    try:
        return int(port)
    except (TypeError, ValueError):
        return None


def _addresses(host):
    """The numeric addresses of a host."""
    try:
        return {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def _through_sqlalchemy():
    import sys

    from .places import _frames
    for frame in _frames(sys._getframe(1)):
        if frame.f_globals.get("__name__", "").split(".")[0] == "sqlalchemy":
            return True
    return False


GUARD = Guard()
