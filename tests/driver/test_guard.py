"""No way of getting there reaches another server: a decoy that listens counts zero connections."""
import os
import shutil
import socket
import sys
import tempfile
import threading
import unittest
from importlib.util import find_spec

import projects
from harness import DriverCase, Server
from urls_of_environment import SYNC, sqlalchemy_url


class Decoy:
    """A TCP server, and one on a UNIX socket, that count who connects."""

    def __init__(self):
        self.accepted = 0
        self.folder = tempfile.mkdtemp(prefix="mig-ci-decoy-")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(os.path.join(self.folder, ".s.PGSQL.%d" % self.port))
        self.unix.listen()
        for listener in (self.tcp, self.unix):
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection.close()

    def close(self):
        # A connection that is still in the queue is accepted before this one.
        before = self.accepted
        with socket.create_connection(("127.0.0.1", self.port)):
            end = threading.Event()
            while self.accepted == before:
                end.wait(0.01)
        seen = self.accepted - 1
        self.tcp.close()
        self.unix.close()
        shutil.rmtree(self.folder)
        return seen


def have(module):
    return unittest.skipUnless(find_spec(module), "%s is not installed in this environment" % module)


class Guard(DriverCase):
    def setUp(self):
        super().setUp()
        self.decoy = Decoy()
        self.url = "postgresql://u:p@127.0.0.1:%d/production" % self.decoy.port

    def refused(self, env, expected_line=None, environment=None, files=None, revisions=("pass",), level="process", ini=None, **kwargs):
        """The run is refused, says where, and the decoy counts nothing."""
        values = {"URL": self.url, "PORT": self.decoy.port, "FOLDER": self.decoy.folder, "SA": sqlalchemy_url(self.url)}
        fill = lambda text: text.replace("<URL>", values["URL"]).replace("<PORT>", str(values["PORT"])).replace(
            "<FOLDER>", values["FOLDER"]).replace("<SA>", values["SA"])
        files = {name: fill(text) for name, text in (files or {}).items()}
        arguments = {} if ini is None else {"ini": fill(ini)}
        database = self.database()
        env = env.replace("<DB>", database).replace("<HOST>", Server.host).replace("<OURS>", str(Server.port)).replace("<USER>", Server.user)
        project = self.project(fill(env), [fill(body) for body in revisions], files=files, **arguments)
        result = self.upgrade(project, database, environment={k: fill(v) for k, v in (environment or {}).items()}, level=level, **kwargs)
        self.assertEqual(result.end["outcome"], "refused", result.events)
        self.assertEqual(self.decoy.close(), 0, "the decoy was reached")
        refusal = result.all("refused")[0]
        if expected_line is not None:
            self.assertIn(fill(expected_line), refusal["place"]["text"], refusal)
        self.assertIn("{url}", refusal["reason"])
        return result, refusal

    ENGINE = "from sqlalchemy import create_engine\nengine = create_engine(%s)\nconnection = engine.connect()\n"

    def test_url_of_the_ini_is_overridden(self):
        project = self.project(projects.GENERIC % "", ("pass",), ini="[alembic]\nscript_location = migrations\nsqlalchemy.url = %s\n" % self.url)
        result = self.upgrade(project, self.database())
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual(self.decoy.close(), 0)

    def test_hard_coded_url(self):
        _, refusal = self.refused(self.ENGINE % "'<SA>'", "connection = engine.connect()")
        self.assertEqual((refusal["host"], refusal["port"], refusal["database"]), ("127.0.0.1", self.decoy.port, "production"))

    def test_environment_variable(self):
        self.refused("import os\n" + self.ENGINE % "os.environ['DATABASE_URL']", environment={"DATABASE_URL": "<SA>"})

    def test_settings_of_the_application(self):
        self.refused("import sys\nsys.path.insert(0, '.')\nfrom app.settings import URL\n" + self.ENGINE % "URL", "connection = engine.connect()",
                     files={"app/__init__.py": "", "app/settings.py": "URL = '<SA>'\n"})

    def test_another_section_of_the_ini(self):
        self.refused("from alembic import context\n" + self.ENGINE % "context.config.get_section('other')['sqlalchemy.url']",
                     ini="[alembic]\nscript_location = migrations\n[other]\nsqlalchemy.url = <SA>\n")

    def test_second_engine_while_the_first_is_right(self):
        env = projects.GENERIC % "" + "\n" + self.ENGINE % "'<SA>'"
        result, _ = self.refused(env, "connection = engine.connect()")
        self.assertEqual(result.steps(), ["r1"])

    def test_revision_connects(self):
        _, refusal = self.refused(projects.GENERIC % "", "sa.create_engine", revisions=("sa.create_engine('<SA>').connect()",))
        self.assertTrue(refusal["place"]["file"].endswith("r1.py"))

    def test_project_swallows_the_refusal(self):
        env = "try:\n    from sqlalchemy import create_engine\n    create_engine('<SA>').connect()\nexcept Exception:\n    pass\n" + projects.GENERIC % ""
        result, _ = self.refused(env)
        self.assertEqual(result.exit["code"], 0)

    def test_creator_of_an_engine(self):
        driver = SYNC[0]
        call = {"pg8000": "pg8000.dbapi.connect(user='u', host='127.0.0.1', port=<PORT>, database='production')"}.get(driver, driver + ".connect('<URL>')")
        self.refused("import %s\n%sfrom sqlalchemy import create_engine\n"
                     "create_engine('postgresql+%s://', creator=lambda: %s).connect()\n"
                     % (driver, "import pg8000.dbapi\n" if driver == "pg8000" else "", driver, call), "create_engine")

    @have("psycopg2")
    def test_psycopg2_directly(self):
        self.refused("from psycopg2 import connect\nconnect('<URL>')\n", "connect(")

    @have("psycopg2")
    def test_psycopg2_keywords(self):
        self.refused("import psycopg2\npsycopg2.connect(host='127.0.0.1', port=<PORT>, dbname='production', user='u')\n", "psycopg2.connect(")

    @have("psycopg2")
    def test_psycopg2_lowest_function(self):
        self.refused("from psycopg2._psycopg import _connect\n_connect('<URL>')\n", "_connect(")

    @have("psycopg2")
    def test_psycopg2_class_of_connections(self):
        self.refused("import psycopg2.extensions\npsycopg2.extensions.connection('<URL>')\n", "connection(")

    @have("psycopg2")
    def test_psycopg2_subclass_and_pool(self):
        self.refused("import psycopg2.pool\npsycopg2.pool.SimpleConnectionPool(1, 2, '<URL>')\n", "SimpleConnectionPool")

    @have("psycopg2")
    def test_psycopg2_named_factory(self):
        self.refused("import psycopg2, psycopg2.extras\npsycopg2.connect('<URL>', connection_factory=psycopg2.extras.LoggingConnection)\n", "psycopg2.connect")

    @have("psycopg2")
    def test_libpq_environment(self):
        self.refused("import psycopg2\npsycopg2.connect('')\n", "psycopg2.connect",
                     environment={"PGHOST": "127.0.0.1", "PGPORT": "<PORT>", "PGDATABASE": "production", "PGUSER": "u"})

    @have("psycopg2")
    def test_libpq_environment_behind_os_environ(self):
        # Only the variable is wrong, and os.environ does not know it.
        self.refused("import os, psycopg2\nos.putenv('PGHOSTADDR', '127.0.0.2')\n"
                     "psycopg2.connect('host=<HOST> port=<OURS> dbname=<DB> user=<USER>')\n", "psycopg2.connect")

    @have("psycopg2")
    def test_libpq_hostaddr(self):
        self.refused("import psycopg2\npsycopg2.connect(host='<HOST>', hostaddr='127.0.0.2', port=<OURS>, dbname='<DB>')\n", "psycopg2.connect")

    @have("psycopg2")
    def test_libpq_second_of_several_hosts(self):
        self.refused("import psycopg2\npsycopg2.connect('host=<HOST>,127.0.0.2 port=<OURS> dbname=<DB>')\n", "psycopg2.connect")

    def test_only_the_port_is_wrong(self):
        url = sqlalchemy_url("postgresql://u@<HOST>:<PORT>/<DB>")
        _, refusal = self.refused(self.ENGINE % repr(url))
        self.assertIn("the port is", refusal["reason"])

    def test_only_the_host_is_wrong(self):
        url = sqlalchemy_url("postgresql://u@127.0.0.2:<OURS>/<DB>")
        _, refusal = self.refused(self.ENGINE % repr(url))
        self.assertIn("the host is 127.0.0.2", refusal["reason"])

    def test_host_name_that_means_more_than_our_server(self):
        # A name that cannot be resolved, and one that is resolved to another address.
        for name in ("no-such-host.invalid", "127.0.0.3"):
            self.decoy = Decoy()
            self.refused(self.ENGINE % repr(sqlalchemy_url("postgresql://u@%s:<OURS>/<DB>" % name)))

    def test_service_of_a_socket_that_the_project_has_opened(self):
        env = "import socket\nfrom alembic import context\ns = socket.create_connection(('<HOST>', <OURS>))\ns.close()\n" + projects.GENERIC % ""
        database = self.database()
        result = self.upgrade(self.project(env.replace("<HOST>", Server.host).replace("<OURS>", str(Server.port)), ("pass",)), database)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.decoy.close()

    @have("psycopg2")
    def test_libpq_service_file(self):
        _, refusal = self.refused("import os, psycopg2\nos.environ['PGSERVICEFILE'] = os.path.abspath('services')\npsycopg2.connect('service=production')\n",
                                  "psycopg2.connect", files={"services": "[production]\nhost=127.0.0.1\nport=<PORT>\ndbname=production\n"})
        self.assertIn("service", refusal["reason"])

    @have("psycopg2")
    def test_libpq_socket_folder_in_the_query(self):
        self.refused("import psycopg2\npsycopg2.connect('postgresql:///production?host=<FOLDER>&port=<PORT>')\n", "psycopg2.connect")

    @have("psycopg2")
    def test_libpq_without_a_host(self):
        _, refusal = self.refused("import psycopg2\npsycopg2.connect('dbname=production port=%d')\n" % Server.port, "psycopg2.connect")
        self.assertIn("no host", refusal["reason"])

    @have("psycopg")
    def test_psycopg_directly(self):
        self.refused("from psycopg import connect\nconnect('<URL>')\n", "connect(")

    @have("psycopg")
    def test_psycopg_asynchronously(self):
        self.refused("import asyncio, psycopg\nasyncio.run(psycopg.AsyncConnection.connect('<URL>'))\n", "asyncio.run")

    @have("psycopg")
    def test_psycopg_libpq_wrapper(self):
        self.refused("from psycopg import pq\npq.PGconn.connect(b'<URL>')\n", "pq.PGconn.connect")

    @have("psycopg")
    def test_psycopg_libpq_wrapper_in_steps(self):
        self.refused("from psycopg.pq import PGconn\nPGconn.connect_start(b'<URL>')\n", "PGconn.connect_start")

    @have("asyncpg")
    def test_asyncpg_directly(self):
        self.refused("import asyncio, asyncpg\nasyncio.run(asyncpg.connect('<URL>'))\n")

    @have("asyncpg")
    def test_asyncpg_name_bound_early(self):
        env = "import asyncio\nfrom asyncpg.connection import connect\n\n\nasync def run():\n    await connect('<URL>')\n\n\nasyncio.run(run())\n"
        self.refused(env, "await connect(")

    @have("asyncpg")
    def test_asyncpg_pool(self):
        self.refused("import asyncio, asyncpg\n\n\nasync def run():\n    async with asyncpg.create_pool('<URL>', min_size=1) as pool:\n        pass\n\n\nasyncio.run(run())\n")

    @have("asyncpg")
    def test_asyncpg_environment_and_socket_folder(self):
        self.refused("import asyncio, asyncpg\nasyncio.run(asyncpg.connect(database='production'))\n",
                     environment={"PGHOST": "<FOLDER>", "PGPORT": "<PORT>", "PGUSER": "u"})

    @have("asyncpg")
    def test_asyncpg_through_sqlalchemy(self):
        env = projects.ASYNC.replace('engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.",',
                                     'engine_from_config({"sqlalchemy.url": "%s"}, prefix="sqlalchemy.",' % self.url.replace("postgresql:", "postgresql+asyncpg:"))
        self.refused(env, "async with connectable.connect()")

    @have("pg8000")
    def test_pg8000_dbapi(self):
        self.refused("import pg8000.dbapi\npg8000.dbapi.connect(user='u', host='127.0.0.1', port=<PORT>, database='production')\n", "pg8000.dbapi.connect")

    @have("pg8000")
    def test_pg8000_native(self):
        self.refused("from pg8000.native import Connection\nConnection('u', host='127.0.0.1', port=<PORT>, database='production')\n", "Connection(")

    @have("pg8000")
    def test_pg8000_legacy_and_socket(self):
        self.refused("import pg8000\npg8000.connect(user='u', unix_sock='<FOLDER>/.s.PGSQL.<PORT>', database='production')\n", "pg8000.connect")

    def test_plain_socket(self):
        self.refused("import socket\nsocket.create_connection(('127.0.0.1', <PORT>))\n", "socket.create_connection")

    def test_plain_unix_socket(self):
        self.refused("import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('<FOLDER>/.s.PGSQL.<PORT>')\n", "s.connect")

    def test_event_loop(self):
        env = "import asyncio\n\n\nasync def run():\n    await asyncio.open_connection('127.0.0.1', <PORT>)\n\n\nasyncio.run(run())\n"
        self.refused(env, "asyncio.open_connection")

    def test_forked_child(self):
        env = "import os, socket\npid = os.fork()\nif pid == 0:\n    try:\n        socket.create_connection(('127.0.0.1', <PORT>))\n    finally:\n        os._exit(0)\nos.waitpid(pid, 0)\n" + projects.GENERIC % ""
        values = env.replace("<PORT>", str(self.decoy.port))
        result = self.upgrade(self.project(values, ("pass",)), self.database())
        self.assertEqual(self.decoy.close(), 0)
        self.assertTrue(result.one("refused")["child"])

    def test_thread(self):
        self.refused("import threading, socket\nt = threading.Thread(target=socket.create_connection, args=(('127.0.0.1', <PORT>),))\nt.start()\nt.join()\n" + projects.GENERIC % "")

    def test_other_database_of_our_server(self):
        url = sqlalchemy_url(Server.url("postgres"))
        _, refusal = self.refused(self.ENGINE % repr(url), "connection = engine.connect()")
        self.assertIn("the database is postgres", refusal["reason"])

    def test_import_in_a_warm_template(self):
        files = {"app_warm.py": "import os, socket\nif os.environ.get('X_CONNECT', 'yes') == 'yes':\n    try:\n        socket.create_connection(('127.0.0.1', %d))\n    except Exception:\n        pass\n" % self.decoy.port}
        project = self.project("import sys\nsys.path.insert(0, '.')\nimport app_warm\n" + projects.GENERIC % "", ("pass",), files=files)
        first = self.upgrade(project, self.database(), environment={"X_CONNECT": "no"}, level="warm")
        second = self.upgrade(project, self.database(), environment={"X_CONNECT": "no"}, level="warm")
        self.assertEqual(self.decoy.close(), 0)
        self.assertEqual([first.one("level")["level"], second.one("level")["level"]], ["fork", "fork"])
        self.assertIn("connect", second.one("level")["reason"])

    def test_name_bound_in_a_forked_target(self):
        for level in ("fork", "warm"):
            driver = SYNC[0]
            env = "from %s import connect\nconnect(user='u', host='127.0.0.1', port=<PORT>, %s='production')\n" % (driver, "database" if driver == "pg8000" else "dbname")
            self.decoy = Decoy()
            self.refused(env, "connect(", level=level)

    def test_other_dialect(self):
        env = "import sys, types\nfrom sqlalchemy import create_engine\nfake = types.ModuleType('fake')\nfake.paramstyle = 'pyformat'\nfake.version_info = (2, 0, 0)\n" \
              "fake.Error = Exception\nfake.connect = lambda **k: sys.exit('reached')\ncreate_engine('mysql+mysqldb://u@127.0.0.1/x', module=fake).connect()\n"
        _, refusal = self.refused(env, "create_engine")
        self.assertIn("cannot see", refusal["reason"])

    def test_program_is_reported(self):
        env = "import subprocess\nsubprocess.run(['psql', '-c', 'SELECT 1'])\n" + projects.GENERIC % ""
        environment = dict(Server.environment(), PGDATABASE="postgres")
        if os.environ.get("MIG_CI_PG_BIN"):
            environment["PATH"] = os.environ["MIG_CI_PG_BIN"] + ":" + os.environ["PATH"]
        result = self.upgrade(self.project(env, ("pass",)), self.database(), environment=environment)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual([(e["driver"], e["place"]["text"]) for e in result.all("unobserved")], [("program: psql", "subprocess.run(['psql', '-c', 'SELECT 1'])")])

    def test_our_server_by_its_socket_folder(self):
        if not Server.socket_dir or "psycopg2" not in SYNC:
            self.fail("MIG_CI_TEST_PG_SOCKET_DIR is not set, or psycopg2 is not installed")
        database = self.database()
        env = "import psycopg2\npsycopg2.connect(host='%s', port=%d, dbname='%s', user='%s').close()\n" % (Server.socket_dir, Server.port, database, Server.user)
        result = self.upgrade(self.project(env + projects.GENERIC % "", ("pass",)), database)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual([e["via"] for e in result.all("connection")], ["direct", "sqlalchemy"])


if __name__ == "__main__":
    sys.exit(unittest.main())
