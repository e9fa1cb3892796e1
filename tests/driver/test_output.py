"""What projects print, read, close and start: attributed to steps, bounded, and never in the way."""
import os

import projects
from harness import DriverCase, Server, psql

ONE = ("op.execute('CREATE TABLE a (id int)')",)


class Output(DriverCase):
    def test_output_belongs_to_its_step(self):
        env = "import os, sys\nprint('before')\n" + projects.GENERIC % "" + "\nprint('after')\n"
        project = self.project(env, ("print('in r1')\nimport os\nos.write(1, b'raw r1\\n')", "import sys, subprocess\nsubprocess.run(['echo', 'child r2'])\nprint('error r2', file=sys.stderr)"))
        for level in ("process", "fork"):
            result = self.upgrade(project, self.database(), level=level)
            self.assertEqual(sorted(result.output("stdout", "r1").splitlines()), ["in r1", "raw r1"])
            self.assertEqual(result.output("stdout", "r2"), "child r2\n")
            self.assertEqual(result.output("stderr", "r2"), "error r2\n")
            self.assertEqual(result.output("stdout", None), "before\nafter\n")

    def test_logging_is_output(self):
        ini = "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = postgresql://localhost/nowhere\n[loggers]\nkeys = root, alembic\n[logger_alembic]\nlevel = INFO\nhandlers =\nqualname = alembic\n[handlers]\nkeys = console\n[formatters]\nkeys = generic\n" \
              "[logger_root]\nlevel = INFO\nhandlers = console\n[handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nlevel = NOTSET\nformatter = generic\n[formatter_generic]\nformat = %(levelname)s %(message)s\n"
        env = "from logging.config import fileConfig\nfrom alembic import context\nfileConfig(context.config.config_file_name)\n" + projects.GENERIC % ""
        for level in ("process", "fork", "warm"):
            result = self.upgrade(self.project(env, ONE, ini=ini), self.database(), level=level)
            self.assertEqual(result.output("stderr", "r1"), "INFO Running upgrade  -> r1, revision r1\n")
            self.assertEqual(result.steps(), ["r1"])

    def test_a_megabyte_is_bounded(self):
        project = self.project("print('x' * 1000000)\n" + projects.GENERIC % "", ("print('begin')\nprint('y' * 1000000)\nprint('end')",))
        result = self.upgrade(project, self.database())
        for event in result.all("output"):
            self.assertLessEqual(len(event["text"]), 65536 + 50)
            self.assertGreater(event["dropped_bytes"], 900000)
        step = result.output("stdout", "r1")
        self.assertTrue(step.startswith("begin\n") and step.endswith("end\n"), (step[:20], step[-20:]))
        self.assertEqual(result.end["outcome"], "ok")

    def test_output_that_is_no_utf8(self):
        result = self.upgrade(self.project("import os\nos.write(1, b'\\xff\\x00mig-ci:\\xfe')\n" + projects.GENERIC % "", ONE), self.database())
        self.assertEqual(result.output("stdout"), "\ufffd\x00mig-ci:\ufffd")

    def test_replaced_and_closed_streams(self):
        for code in ("import sys, io\nsys.stdout = io.StringIO()\nsys.stderr = None", "import os\nos.close(1)\nos.close(2)",
                     "import os\nos.dup2(os.open('out.txt', os.O_CREAT | os.O_WRONLY), 1)"):
            with self.subTest(code=code):
                project = self.project(code + "\n" + projects.GENERIC % "", ("print('in r1')",))
                result = self.upgrade(project, self.database())
                self.assertEqual(result.all("step_end")[0]["revision"], "r1", result.events)
                if "out.txt" in code:
                    with open(project.join("out.txt")) as file:
                        self.assertEqual(file.read(), "in r1\n")

    def test_question_on_stdin_is_the_end_of_file(self):
        for level in ("process", "fork"):
            env = "import os\nassert os.readlink('/proc/self/fd/0') == '/dev/null', os.readlink('/proc/self/fd/0')\n" + projects.GENERIC % ""
            result = self.upgrade(self.project(env, ("input('Really? ')",)), self.database(), level=level)
            self.assertEqual((result.end["error"]["type"], result.end["error"]["place"]["text"]), ("EOFError", "input('Really? ')"))
            self.assertEqual(result.output("stdout", "r1"), "Really? ")

    def test_closed_descriptors_do_not_stop_the_events(self):
        for level in ("process", "fork"):
            result = self.upgrade(self.project("import os\nos.closerange(3, 256)\n" + projects.GENERIC % "", ONE), self.database(), level=level)
            self.assertEqual((result.end["outcome"], result.steps()), ("ok", ["r1"]), result.events)

    def test_all_descriptors_closed_is_reported(self):
        for level in ("process", "fork"):
            result = self.upgrade(self.project("import os\nos.closerange(3, 4096)\n" + projects.GENERIC % "", ONE), self.database(), level=level)
            self.assertEqual((result.all("end"), result.exit["code"]), ([], 97))
            self.assertIn("closed the descriptor", result.exit["reason"])

    def test_reused_descriptor_is_not_written_to(self):
        env = "import os\nos.closerange(3, 4096)\nfor n in range(3, 900):\n    os.dup2(os.open('theirs.txt', os.O_CREAT | os.O_WRONLY | os.O_APPEND), n)\n" + projects.GENERIC % ""
        project = self.project(env, ONE)
        result = self.upgrade(project, self.database())
        self.assertEqual(result.exit["code"], 97, result.events)
        self.assertEqual(os.path.getsize(project.join("theirs.txt")), 0)

    def test_forked_child_writes_no_events(self):
        # The child runs the whole upgrade on its own, as a careless fork in env.py does.
        env = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\n" + projects.GENERIC % ""
        database = self.database()
        result = self.upgrade(self.project(env, ONE), database)
        self.assertEqual(len(result.all("started")), 1)
        self.assertEqual(len(result.all("end")), 1)
        self.assertEqual((result.one("plan")["revisions"], result.steps()), ([], []))
        self.assertEqual([e["driver"].split(":")[0] for e in result.all("unobserved")], ["forked process"])
        self.assertEqual(psql(database, "SELECT version_num FROM alembic_version"), ["r1"])

    def test_threads_in_env(self):
        env = "import threading\nfrom alembic import context\n" + (projects.GENERIC % "").replace(
            "\nrun_migrations_online()\n", "\nthread = threading.Thread(target=run_migrations_online)\nthread.start()\nthread.join()\n")
        result = self.upgrade(self.project(env, ONE), self.database())
        self.assertEqual((result.end["outcome"], result.steps()), ("ok", ["r1"]), result.events)
        self.assertEqual(result.all("statement")[-1]["revision"], "r1")

    def test_thread_that_still_works_at_the_end_is_waited_for(self):
        env = projects.GENERIC % "" + "\nimport threading\nfrom sqlalchemy import create_engine, text\n\n\ndef later():\n    threading.Event().wait(0.5)\n    with create_engine(config.get_main_option('sqlalchemy.url')).begin() as c:\n        c.execute(text('CREATE TABLE later (id int)'))\n\n\nthreading.Thread(target=later).start()\n"
        database = self.database()
        result = self.upgrade(self.project(env, ONE), database)
        self.assertIn("CREATE TABLE later (id int)", result.sql(None))
        self.assertEqual(psql(database, "SELECT count(*) FROM later"), ["0"])
        self.assertEqual(result.events[-2]["type"], "end")

    def test_exit_functions_run(self):
        env = "import atexit\natexit.register(print, 'at the end')\n" + projects.GENERIC % ""
        for level in ("process", "fork"):
            self.assertEqual(self.upgrade(self.project(env, ONE), self.database(), level=level).output("stdout"), "at the end\n")


class Setup(DriverCase):
    def setup_command(self, project, database, command, environment=None):
        message = self.message(project, database, environment=environment)
        return self.driver.run({"type": "setup", "id": message["id"], "cwd": project.path, "environment": message["environment"], "python_path": [],
                                "command": command, "server": message["server"]})

    CREATE = "import os\nfrom sqlalchemy import create_engine, text\nwith create_engine(os.environ['DATABASE_URL']).begin() as connection:\n    connection.execute(text('CREATE TABLE made (id int)'))\nprint('made')\n"

    def environment(self, url):
        from urls_of_environment import sqlalchemy_url
        return {"DATABASE_URL": sqlalchemy_url(url)}

    def test_module_script_and_code(self):
        project = self.project("", (), files={"app/__init__.py": "", "app/create_tables.py": self.CREATE})
        for command in (["python", "-m", "app.create_tables"], ["python3", "app/create_tables.py"], ["python", "-c", self.CREATE]):
            database = self.database()
            result = self.setup_command(project, database, command, self.environment(Server.url(database)))
            self.assertEqual((result.end["outcome"], result.exit["code"]), ("ok", 0), result.events)
            self.assertEqual(psql(database, "SELECT count(*) FROM made"), ["0"])
            self.assertEqual((result.output("stdout"), result.sql()), ("made\n", ["CREATE TABLE made (id int)"]))

    def test_connection_elsewhere_is_refused(self):
        project = self.project("", (), files={"create.py": self.CREATE})
        result = self.setup_command(project, self.database(), ["python", "create.py"], self.environment("postgresql://u:p@127.0.0.1:9/production"))
        self.assertEqual(result.end["outcome"], "refused")
        self.assertEqual(result.one("refused")["place"]["file"], project.join("create.py"))

    def test_other_program(self):
        project = self.project("", ())
        result = self.setup_command(project, self.database(), ["sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertEqual((result.output("stdout"), result.output("stderr"), result.exit["code"]), ("out\n", "err\n", 3))
        self.assertEqual(result.all("end"), [])
        missing = self.setup_command(project, self.database(), ["/nowhere/program"])
        self.assertIn("/nowhere/program", missing.end["error"]["message"])
