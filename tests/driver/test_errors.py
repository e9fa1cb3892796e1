"""Each failure is its own error, with what to change and the project's own frames only."""
import os
import subprocess
import sys

import projects
from harness import Driver, DriverCase, Project, psql

OK = ("op.execute('CREATE TABLE a (id int)')",)


class Errors(DriverCase):
    def failed(self, project, outcome="failed", **kwargs):
        result = self.upgrade(project, self.database(), **kwargs)
        self.assertEqual(result.end["outcome"], outcome, result.events)
        error = result.end.get("error")
        if error is not None:
            for place in error["traceback"]:
                self.assertTrue(place["file"].startswith(project.path), error["traceback"])
        return result, error

    def test_database_error_in_a_revision(self):
        for number, driver in enumerate(__import__("urls_of_environment").ALL):
            with self.subTest(driver=driver):
                env = projects.ASYNC if driver == "asyncpg" else projects.GENERIC % ""
                body = "op.execute('CREATE TABLE a (id int PRIMARY KEY)')\nop.execute('INSERT INTO a VALUES (1)')\nop.execute('INSERT INTO a VALUES (1)')"
                project = self.project(env, (body,), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver))
                result, error = self.failed(project)
                self.assertEqual((error["kind"], error["sqlstate"], error["revision"], error["place"]["line"]), ("database", "23505", "r1", 14))
                self.assertEqual(error["message"], 'duplicate key value violates unique constraint "a_pkey"')
                self.assertEqual(error["detail"], "Key (id)=(1) already exists.")
                self.assertEqual(error["statement"], "INSERT INTO a VALUES (1)")
                self.assertTrue(error["type"].startswith("sqlalchemy.exc."))
                self.assertEqual((result.exit["code"], result.end["exit_code"]), (1, 1))
                self.assertEqual(result.end["swallowed"], [])
                self.assertEqual([place["function"] for place in error["traceback"]][-1], "upgrade")

    def test_python_error_in_a_revision(self):
        _, error = self.failed(self.project(projects.GENERIC % "", ("helper = None\nhelper.call()",)))
        self.assertEqual((error["kind"], error["type"], error["place"]["line"], error["revision"]), ("python", "AttributeError", 13, "r1"))

    def test_frames_of_packages_are_left_out(self):
        files = {"deps/site-packages/helper.py": "def call(function):\n    function()\n\n\ndef fail():\n    raise ValueError('in a package')\n"}
        project = self.project("import sys\nsys.path.insert(0, 'deps/site-packages')\nimport helper\nhelper.call(helper.fail)\n", OK, files=files)
        _, error = self.failed(project)
        self.assertEqual([(place["file"], place["line"]) for place in error["traceback"]], [(project.join("migrations/env.py"), 4)])

    def test_import_error_in_env(self):
        _, error = self.failed(self.project("import app.models\n", OK, files={}))
        self.assertEqual((error["kind"], error["type"], error["place"]["text"]), ("import", "ModuleNotFoundError", "import app.models"))
        self.assertEqual(len(error["traceback"]), 1)

    def test_syntax_error_in_env(self):
        project = self.project("x = (\n", OK)
        _, error = self.failed(project)
        self.assertEqual((error["kind"], error["place"]["file"]), ("import", project.join("migrations/env.py")))

    def test_missing_section(self):
        _, error = self.failed(self.project(projects.GENERIC % "", OK), section="tenant")
        self.assertEqual(error["kind"], "alembic")
        self.assertIn("no section [tenant]; its sections are: alembic", error["message"])

    def test_missing_script_location(self):
        _, error = self.failed(self.project(projects.GENERIC % "", OK, ini="[alembic]\nsqlalchemy.url = x\n"))
        self.assertEqual(error["kind"], "alembic")
        self.assertIn("script_location", error["message"])

    def test_script_location_that_does_not_exist(self):
        _, error = self.failed(self.project(projects.GENERIC % "", OK, ini="[alembic]\nscript_location = nowhere\n"))
        self.assertEqual(error["kind"], "alembic")
        self.assertIn("nowhere", error["message"])

    def test_missing_and_unreadable_ini(self):
        _, error = self.failed(self.project(projects.GENERIC % "", OK), configs=["/nowhere/alembic.ini"])
        self.assertEqual(error["kind"], "alembic")
        self.assertIn("/nowhere/alembic.ini", error["message"])
        _, error = self.failed(self.project(projects.GENERIC % "", OK, ini="script_location = x\n"))
        self.assertEqual(error["type"], "configparser.MissingSectionHeaderError")
        self.assertEqual(error["kind"], "alembic")

    def test_interpolation_that_fails(self):
        project = self.project(projects.GENERIC % "", OK, ini="[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = postgresql://%(DB_USER)s@h/x\n")
        result = self.upgrade(project, self.database())
        self.assertEqual(result.end["outcome"], "ok", result.events)

    def test_unknown_revision(self):
        _, error = self.failed(self.project(projects.GENERIC % "", OK), revisions=("nothere",))
        self.assertEqual((error["kind"], error["message"]), ("alembic", "Can't locate revision identified by 'nothere'"))

    def test_several_heads(self):
        project = self.project(projects.GENERIC % "")
        project.revision("a1", "pass", None)
        project.revision("b1", "pass", None)
        result, error = self.failed(project, revisions=("head",))
        self.assertEqual(error["kind"], "alembic")
        self.assertIn("Multiple head revisions", error["message"])
        self.assertEqual(result.end["exit_code"], 255)

    def test_ledger_with_an_unknown_revision(self):
        database = self.database("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('gone')")
        result = self.upgrade(self.project(projects.GENERIC % "", OK), database)
        self.assertEqual(result.end["error"]["kind"], "alembic")
        self.assertIn("gone", result.end["error"]["message"])

    def test_exits(self):
        for code, expected in (("sys.exit(3)", ("exited", 3)), ("sys.exit()", ("exited", 0)), ("sys.exit('text')", ("exited", 1))):
            result, error = self.failed(self.project("import sys\n%s\n" % code, OK), outcome="exited")
            self.assertEqual((result.end["outcome"], result.exit["code"]), expected)
            self.assertEqual((error["kind"], error["place"]["line"]), ("exit", 2))

    def test_command_line_that_the_parser_refuses(self):
        result, _ = self.failed(self.project(projects.GENERIC % "", OK), outcome="exited", arguments=["--nonsense"])
        self.assertEqual(result.exit["code"], 2)
        self.assertIn("--nonsense", result.output("stderr"))

    def test_process_that_ends_without_a_word(self):
        for code, expected in (("os._exit(5)", (5, None)), ("os.abort()", (None, 6)), ("os.kill(os.getpid(), 9)", (None, 9))):
            for level in ("process", "fork"):
                result = self.upgrade(self.project("import os\n%s\n" % code, OK), self.database(), level=level)
                self.assertEqual(result.all("end"), [])
                self.assertEqual((result.exit["code"], result.exit["signal"]), expected)

    def test_wrapped_error_names_the_swallowed_statement_before(self):
        body = "try:\n    op.execute('SELECT * FROM missing')\nexcept Exception:\n    pass"
        result, error = self.failed(self.project(projects.GENERIC % "", (body,)))
        self.assertEqual((error["sqlstate"], error["revision"]), ("25P02", "r1"))
        self.assertEqual([(e["sqlstate"], e["place"]["line"]) for e in result.end["swallowed"]], [("42P01", 13)])

    def test_error_in_a_task_group(self):
        if sys.version_info < (3, 11):
            return
        env = "import asyncio\n\n\nasync def work():\n    raise LookupError('inner')\n\n\nasync def run():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(work())\n\n\nasyncio.run(run())\n"
        _, error = self.failed(self.project(env, OK))
        self.assertEqual((error["type"], error["place"]["line"]), ("LookupError", 5))

    def test_interpreter_without_alembic(self):
        folder = self.project("", ()).path
        python = os.path.join(folder, "bare", "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", os.path.join(folder, "bare")], check=True)
        driver = Driver(python=python)
        self.addCleanup(driver.close)
        for level in ("process", "fork"):
            message = self.message(self.project(projects.GENERIC % "", OK), self.database(), level=level)
            error = driver.run(message).end["error"]
            self.assertEqual(error["kind"], "import")
            self.assertIn("%s cannot import Alembic" % python, error["message"])

    def test_working_folder_that_does_not_exist(self):
        for level in ("process", "fork", "warm"):
            message = self.message(self.project(projects.GENERIC % "", OK), self.database(), level=level)
            message["cwd"] = "/nowhere"
            result = self.driver.run(message)
            self.assertEqual(result.end["outcome"], "failed")
            self.assertIn("/nowhere", result.end["error"]["message"])

    def test_failure_leaves_what_was_committed(self):
        database = self.database()
        body = "op.execute('CREATE TABLE a (id int)')\nop.execute('INSERT INTO a VALUES (1), (1)')\nwith op.get_context().autocommit_block():\n    op.execute('CREATE UNIQUE INDEX CONCURRENTLY i ON a (id)')"
        result = self.upgrade(self.project(projects.GENERIC % "", (body,)), database)
        self.assertEqual((result.end["outcome"], result.end["error"]["sqlstate"]), ("failed", "23505"))
        self.assertEqual(psql(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"), ["f"])
        self.assertEqual(psql(database, "SELECT count(*) FROM alembic_version"), ["0"])


class Describe(DriverCase):
    def describe(self, project, **alembic):
        message = self.message(project, "none", **alembic)
        message["operation"] = {"name": "describe"}
        message["server"] = None
        return self.driver.run(message)

    def test_graph_of_the_configuration(self):
        project = self.project("raise SystemExit('env.py must not run')", ("pass", "pass"))
        result = self.describe(project)
        graph = result.one("graph")
        self.assertEqual((graph["source"], graph["heads"]), ("config", ["r2"]))
        self.assertEqual([(r["revision"], r["down_revisions"], r["path"]) for r in graph["revisions"]],
                         [("r2", ["r1"], project.join("migrations/versions/r2.py")), ("r1", [], project.join("migrations/versions/r1.py"))])

    def test_computed_revisions(self):
        project = self.project("", ())
        project.write("migrations/versions/x.py", "PREFIX = 'p'\nrevision = PREFIX + '1'\ndown_revision = None\nbranch_labels = (PREFIX,)\n")
        graph = self.describe(project).one("graph")
        self.assertEqual([(r["revision"], r["branch_labels"]) for r in graph["revisions"]], [("p1", ["p"])])

    def test_folders_that_only_env_knows(self):
        env = "from alembic import context\nfrom alembic.script import ScriptDirectory\ncontext.config.set_main_option('version_locations', '%s')\n" \
              "context.script.version_locations = ['%s']\n" + projects.GENERIC % ""
        project = self.project("", ())
        folder = project.join("elsewhere")
        project.write("migrations/env.py", env.replace("%s", folder, 2))
        project.revision("a1", "pass", None, folder="elsewhere")
        result = self.describe(project)
        self.assertEqual(([r["revision"] for r in result.one("graph")["revisions"]], result.one("graph")["source"]), (["a1"], "env"), result.events)
        self.assertEqual((result.end["outcome"], result.exit["code"]), ("ok", 0))

    def test_cycle(self):
        project = self.project("", ())
        project.write("migrations/versions/a.py", "revision = 'a'\ndown_revision = 'b'\n")
        project.write("migrations/versions/b.py", "revision = 'b'\ndown_revision = 'a'\n")
        self.assertEqual(self.describe(project).end["error"]["kind"], "alembic")
