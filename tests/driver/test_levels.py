"""The levels process, fork and warm: the same results, and a lower level where a higher one would be wrong."""
import projects
from harness import DriverCase, psql, state

TABLES = ("op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.execute('INSERT INTO a VALUES (7)')")

# env.py imports a module of the project that reads the tenant while it is imported.
STALE = (projects.SCHEMA % "connection.commit() if hasattr(connection, 'commit') else None").replace(
    'SCHEMA = os.getenv("TENANT_SCHEMA", config.get_main_option("schema", "public"))',
    "import sys\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))\nfrom settings import SCHEMA")


class Levels(DriverCase):
    def levels(self, project, runs, **kwargs):
        """The levels and results of several runs at level warm, one after the other."""
        results = [self.upgrade(project, database, environment=environment, level="warm", **kwargs) for database, environment in runs]
        return [result.one("level") for result in results], results

    def test_warm_is_learnt_from_the_first_run_and_gives_the_same(self):
        project = self.project(projects.GENERIC % "", TABLES, files={"app/__init__.py": "", "app/models.py": "import decimal, colorsys\n"})
        project.write("migrations/env.py", "import sys\nsys.path.insert(0, %r)\nimport app.models\n" % project.path + projects.GENERIC % "")
        databases = [self.database() for _ in range(3)]
        levels, results = self.levels(project, [(name, {}) for name in databases])
        self.assertEqual([level["level"] for level in levels], ["fork", "warm", "warm"], levels)
        for result in results:
            self.assertEqual(result.end["outcome"], "ok", result.events)
            self.assertEqual(result.exit["code"], 0)
        self.assertGreater(results[0].one("modules")["count"], 2)
        theirs = self.database()
        self.real(project, theirs)
        for database in databases:
            self.assertEqual(state(database), state(theirs))

    def test_module_that_reads_the_tenant_at_import_is_not_shared(self):
        project = self.project(STALE, TABLES, files={"settings.py": "import os\nSCHEMA = os.environ.get('TENANT_SCHEMA', 'public')\n"})
        database = self.database("CREATE SCHEMA t1; CREATE SCHEMA t2; CREATE SCHEMA t3")
        levels, results = self.levels(project, [(database, {"TENANT_SCHEMA": "t%d" % n}) for n in (1, 2, 3)])
        self.assertEqual([level["level"] for level in levels], ["fork", "fork", "fork"], levels)
        self.assertIn("TENANT_SCHEMA", levels[1]["reason"])
        for n in (1, 2, 3):
            self.assertEqual(psql(database, "SELECT id FROM t%d.a" % n), ["7"])

    def test_module_that_lists_the_environment_is_not_shared(self):
        project = self.project(STALE, TABLES, files={"settings.py": "import os\nSCHEMA = dict(os.environ).get('TENANT_SCHEMA', 'public')\n"})
        database = self.database("CREATE SCHEMA t1; CREATE SCHEMA t2")
        levels, _ = self.levels(project, [(database, {"TENANT_SCHEMA": "t%d" % n}) for n in (1, 2)])
        self.assertEqual([level["level"] for level in levels], ["fork", "fork"], levels)
        self.assertEqual(psql(database, "SELECT id FROM t2.a"), ["7"])

    def test_variables_of_one_target_are_unknown_to_the_next(self):
        env = "import os\nprint('SEEN', sorted(n for n in os.environ if n.startswith('X_')))\nos.environ['X_LEFT'] = '1'\n" + projects.GENERIC % ""
        project = self.project(env, TABLES)
        for level in ("fork", "warm"):
            for number in (1, 2):
                result = self.upgrade(project, self.database(), environment={"X_%d" % number: "1"}, level=level)
                self.assertIn("SEEN ['X_%d']" % number, result.output("stdout"))

    def reason(self, module, expected):
        """A template whose imports do `module` is not used."""
        project = self.project("import sys\nsys.path.insert(0, '.')\nimport app_module\n" + projects.GENERIC % "", TABLES, files={"app_module.py": module})
        levels, results = self.levels(project, [(self.database(), {}), (self.database(), {})])
        self.assertEqual([level["level"] for level in levels], ["fork", "fork"], levels)
        self.assertIn(expected, levels[1]["reason"])
        self.assertEqual([result.end["outcome"] for result in results], ["ok", "ok"], results[1].events)

    def test_imports_that_start_threads(self):
        self.reason("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n", "threads")

    def test_imports_that_open_an_event_loop(self):
        self.reason("import asyncio\nloop = asyncio.new_event_loop()\n", "sockets")

    def test_imports_that_change_the_environment(self):
        self.reason("import os\nos.environ['FROM_DOTENV'] = '1'\n", "environment")

    def test_imports_that_fail_outside_of_alembic(self):
        self.reason("from alembic import context\nurl = context.config.get_main_option('sqlalchemy.url')\n", "app_module")

    def test_interpreter_variables_need_a_process(self):
        project = self.project(projects.GENERIC % "", TABLES)
        result = self.upgrade(project, self.database(), environment={"PYTHONHASHSEED": "5"}, level="fork")
        self.assertEqual(result.one("level")["level"], "process")
        self.assertIn("PYTHONHASHSEED", result.one("level")["reason"])

    def test_engine_in_a_module_is_not_shared_with_its_connections(self):
        module = "import os\nfrom sqlalchemy import create_engine\nengine = create_engine(os.environ['DATABASE_URL'])\n"
        env = "import sys\nsys.path.insert(0, '.')\nfrom app_engine import engine\n" + (projects.GENERIC % "").replace(
            "connectable = engine_from_config(config.get_section(config.config_ini_section), prefix=\"sqlalchemy.\", poolclass=pool.NullPool)",
            "connectable = engine")
        project = self.project(env, TABLES, files={"app_engine.py": module})
        from harness import Server
        from urls_of_environment import sqlalchemy_url
        for _ in range(3):
            database = self.database()
            result = self.upgrade(project, database, environment={"DATABASE_URL": sqlalchemy_url(Server.url(database))}, level="warm")
            self.assertEqual(result.end["outcome"], "ok", result.events)
            self.assertEqual(psql(database, "SELECT id FROM a"), ["7"])
