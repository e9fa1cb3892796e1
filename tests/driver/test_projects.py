"""The guide's situations and habits of public projects, beside the real Alembic where it can do the same."""
import os
import unittest

import projects
from harness import DriverCase, Project, Server, psql, state
from urls_of_environment import ALL, SYNC, sqlalchemy_url

TABLES = ("op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.execute('INSERT INTO a VALUES (7)')")

# The guide's "Dynamic Database URL": a database for each tenant.
DATABASE_PER_TENANT = """
import os
from urllib.parse import urlparse, urlunparse
from alembic import context
from sqlalchemy import create_engine, pool

config = context.config


def get_db_url():
    base_url = os.getenv("DATABASE_URL", config.get_main_option("sqlalchemy.url"))
    tenant_db = os.getenv("TENANT_DB")
    if tenant_db:
        parsed = urlparse(base_url)
        return urlunparse(parsed._replace(path=f"/{tenant_db}"))
    return base_url


def run_migrations_online():
    connectable = create_engine(get_db_url(), poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"""

COMMIT = "connection.commit() if hasattr(connection, 'commit') else None"


class Guide(DriverCase):
    def test_database_per_tenant(self):
        project = self.project(DATABASE_PER_TENANT, TABLES)
        for level in ("process", "fork", "warm", "warm"):
            database, theirs = self.database(), self.database()
            result = self.upgrade(project, database, environment={"TENANT_DB": database}, level=level)
            self.assertEqual(result.end["outcome"], "ok", result.events)
            self.real(project, theirs, environment={"TENANT_DB": theirs})
            self.assertEqual(state(database), state(theirs))

    def test_wrong_tenant_database_is_refused(self):
        database, other = self.database(), self.database()
        result = self.upgrade(self.project(DATABASE_PER_TENANT, TABLES), database, environment={"TENANT_DB": other})
        self.assertEqual(result.end["outcome"], "refused")
        self.assertEqual(psql(other, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), ["0"])

    def test_schema_per_tenant_at_each_level(self):
        project = self.project(projects.SCHEMA % COMMIT, TABLES)
        ours, theirs = (self.database("CREATE SCHEMA t1; CREATE SCHEMA t2; CREATE SCHEMA t3") for _ in range(2))
        for level in ("process", "fork", "warm"):
            for schema in ("t1", "t2", "t3"):
                self.upgrade(project, ours, environment={"TENANT_SCHEMA": schema}, level=level)
                self.real(project, theirs, environment={"TENANT_SCHEMA": schema})
            self.assertEqual(state(ours), state(theirs))
            self.assertEqual(psql(ours, "SELECT id FROM t3.a"), ["7"])
            psql(ours, "DROP SCHEMA t1, t2, t3 CASCADE; CREATE SCHEMA t1; CREATE SCHEMA t2; CREATE SCHEMA t3")
            psql(theirs, "DROP SCHEMA t1, t2, t3 CASCADE; CREATE SCHEMA t1; CREATE SCHEMA t2; CREATE SCHEMA t3")

    def test_sections_shared_and_tenant(self):
        ini = "[shared]\nscript_location = %(here)s/shared\nsqlalchemy.url = postgresql://localhost/nowhere\n[tenant]\nscript_location = %(here)s/tenant\nsqlalchemy.url = postgresql://localhost/nowhere\n"
        project = self.project("", ini=ini, files={"shared/env.py": projects.GENERIC % "", "tenant/env.py": projects.SCHEMA % COMMIT})
        project.revision("s1", "op.execute('CREATE TABLE plans (id int PRIMARY KEY)')", None, folder="shared/versions")
        project.revision("t1", "op.execute('CREATE TABLE users (plan int REFERENCES public.plans)')", None, folder="tenant/versions")
        ours, theirs = (self.database("CREATE SCHEMA a; CREATE SCHEMA b") for _ in range(2))
        for level in ("process", "warm"):
            self.upgrade(project, ours, section="shared", level=level)
            for schema in ("a", "b"):
                result = self.upgrade(project, ours, section="tenant", environment={"TENANT_SCHEMA": schema}, level=level)
                self.assertEqual(result.one("configured")["version_table_schema"], schema)
        self.real(project, theirs, arguments=["-n", "shared"])
        for schema in ("a", "b"):
            self.real(project, theirs, arguments=["-n", "tenant"], environment={"TENANT_SCHEMA": schema})
        self.assertEqual(state(ours), state(theirs))


class Habits(DriverCase):
    def test_env_that_changes_the_url_and_the_config_itself(self):
        env = "import os\nfrom alembic import context\ncontext.config.set_main_option('sqlalchemy.url', os.environ['APP_DB'])\n" + projects.GENERIC % ""
        project = self.project(env, TABLES)
        database = self.database()
        result = self.upgrade(project, database, environment={"APP_DB": sqlalchemy_url(Server.url(database))})
        self.assertEqual(result.steps(), ["r1", "r2"], result.events)

    def test_engine_in_a_module_and_sessions(self):
        # A revision uses an ORM session on Alembic's connection and commits it.
        body = "from sqlalchemy.orm import Session\nsession = Session(bind=op.get_bind())\nsession.execute(sa.text('INSERT INTO a VALUES (8)'))\nsession.commit()"
        project = self.project(projects.GENERIC % ", transaction_per_migration=True", TABLES + (body,))
        ours, theirs = self.database(), self.database()
        result = self.upgrade(project, ours)
        self.real(project, theirs)
        self.assertEqual(state(ours), state(theirs))
        self.assertEqual(result.end["outcome"], "ok", result.events)

    def test_revision_commits_its_connection(self):
        import sqlalchemy
        body = "bind = op.get_bind()\nop.execute('CREATE TABLE kept (id int)')\nbind.commit()\nop.execute('SELECT * FROM missing')" \
            if not sqlalchemy.__version__.startswith("1.") else "op.execute('CREATE TABLE kept (id int)')\nop.execute('COMMIT')\nop.execute('SELECT * FROM missing')"
        project = self.project(projects.GENERIC % "", (body,))
        ours, theirs = self.database(), self.database()
        result = self.upgrade(project, ours)
        done = self.real(project, theirs, check=False)
        self.assertEqual((result.end["outcome"], done.returncode), ("failed", 1))
        self.assertEqual(state(ours), state(theirs))
        self.assertEqual(psql(ours, "SELECT count(*) FROM kept"), ["0"])

    def test_tenants_in_one_run(self):
        env = "from alembic import context\n" + (projects.SCHEMA % COMMIT).replace(
            "\nrun_migrations_online()\n", "\nfor SCHEMA in context.get_x_argument(as_dictionary=True)['schemas'].split(','):\n    run_migrations_online()\n")
        project = self.project(env, TABLES)
        ours, theirs = (self.database("CREATE SCHEMA a; CREATE SCHEMA b") for _ in range(2))
        result = self.upgrade(project, ours, arguments=["-x", "schemas=a,b"])
        self.real(project, theirs, arguments=["-x", "schemas=a,b"])
        self.assertEqual(state(ours), state(theirs))
        self.assertEqual([e["version_table_schema"] for e in result.all("configured")], ["a", "b"])
        self.assertEqual(result.steps(), ["r1", "r2", "r1", "r2"])

    def test_modules_in_processes_of_their_own(self):
        # multiprocessing starts another interpreter, which must not find the driver's channel.
        env = "import multiprocessing, math\nif __name__ != '__mp_main__':\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n        print(pool.map(math.sqrt, [1, 4]))\n" + projects.GENERIC % ""
        result = self.upgrade(self.project(env, TABLES), self.database())
        self.assertEqual((result.output("stdout"), result.end["outcome"]), ("[1.0, 2.0]\n", "ok"), result.events)
        self.assertIsNone(result.exit.get("garbled_lines"))

    def test_processes_that_talk_by_sockets(self):
        env = "import multiprocessing\nmanager = multiprocessing.get_context('fork').Manager()\nprint(manager.dict(a=1)['a'])\nmanager.shutdown()\n" + projects.GENERIC % ""
        result = self.upgrade(self.project(env, TABLES), self.database())
        self.assertEqual((result.output("stdout"), result.end["outcome"]), ("1\n", "ok"), result.events)

    def test_depends_on_and_labels(self):
        project = self.project(projects.GENERIC % "")
        project.revision("a1", "op.execute('CREATE TABLE a1 (id int)')", None, "branch_labels = ('a',)")
        project.revision("b1", "op.execute('CREATE TABLE b1 (id int)')", None, "branch_labels = ('b',)\ndepends_on = 'a1'")
        ours, theirs = self.database(), self.database()
        result = self.upgrade(project, ours, revisions=("b@head", "a@head"))
        self.real(project, theirs, revisions=("b@head", "a@head"))
        self.assertEqual(state(ours), state(theirs))
        self.assertEqual([e["revisions"] for e in result.all("plan")], [["a1", "b1"], []])

    def test_socket_folder_for_each_driver(self):
        if not Server.socket_dir:
            self.fail("MIG_CI_TEST_PG_SOCKET_DIR is not set")
        for driver in ALL:
            with self.subTest(driver=driver):
                env = projects.ASYNC if driver == "asyncpg" else projects.GENERIC % ""
                project = self.project(env, TABLES, ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver))
                database = self.database()
                message = self.message(project, database)
                message["server"].update(host=None, url="postgresql://%s:x@/%s?host=%s&port=%d" % (Server.user, database, Server.socket_dir, Server.port))
                result = self.driver.run(message)
                self.assertEqual(result.end["outcome"], "ok", result.events)
                self.assertEqual(result.all("connection")[0]["host"], Server.socket_dir)

    def test_options_of_the_url(self):
        # TLS and hosts are dropped, what says how the driver behaves is kept.
        cases = {"psycopg2": ("?sslmode=verify-full&host=elsewhere&application_name=app", "app")}
        for driver, (query, name) in cases.items():
            if driver not in SYNC:
                continue
            body = "op.execute(\"DO $$ BEGIN RAISE WARNING '%', current_setting('application_name'); END $$\")"
            ini = "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = postgresql+" + driver + "://localhost/nowhere" + query + "\n"
            result = self.upgrade(self.project(projects.GENERIC % "", (body,), ini=ini), self.database())
            self.assertEqual(result.one("notice")["message"], name, result.events)

    def test_application_that_is_imported(self):
        files = {"app/__init__.py": "", "app/models.py": "from sqlalchemy import Column, Integer, MetaData, Table\nmetadata = MetaData()\nTable('a', metadata, Column('id', Integer))\n"}
        env = "from app.models import metadata\n" + projects.GENERIC % ""
        ini = Project.INI + "prepend_sys_path = .\n"
        for level in ("process", "fork", "warm"):
            result = self.upgrade(self.project(env, TABLES, ini=ini, files=files), self.database(), level=level)
            self.assertEqual(result.end["outcome"], "ok", result.events)
        project = self.project(env, TABLES, files={os.path.join("lib", name): text for name, text in files.items()})
        message = self.message(project, self.database())
        message["python_path"] = [project.join("lib")]
        for level in ("process", "fork", "warm"):
            message.update(level=level, id=message["id"] + 1000)
            self.assertEqual(self.driver.run(message).end["outcome"], "ok")

    @unittest.skipUnless("psycopg" in ALL, "psycopg is not installed in this environment")
    def test_psycopg_asynchronously(self):
        ini = Project.INI.replace("postgresql://", "postgresql+psycopg_async://")
        notice = "op.execute(\"DO $$ BEGIN RAISE WARNING 'w'; END $$\")"
        project = self.project(projects.ASYNC, TABLES + (notice,), ini=ini)
        for level in ("process", "fork"):
            ours, theirs = self.database(), self.database()
            result = self.upgrade(project, ours, level=level)
            self.real(project, theirs)
            self.assertEqual(state(ours), state(theirs))
            self.assertEqual((result.end["outcome"], result.one("notice")["message"], result.all("unobserved")), ("ok", "w", []), result.events)
            self.assertEqual((result.one("configured")["database"], result.end["open_transactions"]), (ours, []))
            self.assertEqual([e["place"]["line"] for e in result.all("statement") if e["sql"].startswith("INSERT INTO a ")], [12])

    @unittest.skipUnless("asyncpg" in ALL, "asyncpg is not installed in this environment")
    def test_asynchronous_failure_has_its_place(self):
        ini = Project.INI.replace("postgresql://", "postgresql+asyncpg://")
        result = self.upgrade(self.project(projects.ASYNC, ("op.execute('SELECT 1 / 0')",), ini=ini), self.database())
        self.assertEqual((result.end["error"]["sqlstate"], result.end["error"]["place"]["line"]), ("22012", 12))
        self.assertTrue(result.all("connection")[0]["place"]["text"].startswith("async with connectable.connect()"))
