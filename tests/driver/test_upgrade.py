"""An upgrade through the driver beside the real Alembic: the same catalog, rows and ledger, and steps with their statements."""
import projects
from harness import DriverCase, Project, Server, psql, state
from urls_of_environment import ALL, DIALECTS

TWO = ("op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.execute('INSERT INTO a VALUES (7)')")


class Same(DriverCase):
    """Each test compares with the real Alembic on another database."""

    def same(self, project, sql=None, environment=None, arguments=(), revisions=("heads",), level="process", **alembic):
        ours, theirs = self.database(sql), self.database(sql)
        alembic.setdefault("arguments", list(arguments))
        result = self.upgrade(project, ours, revisions=revisions, environment=environment, level=level, **alembic)
        self.real(project, theirs, revisions=revisions, environment=environment, arguments=arguments)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual((result.end["exit_code"], result.exit["code"]), (0, 0))
        self.assertEqual(state(ours), state(theirs))
        return result, ours

    def test_generic_project(self):
        result, database = self.same(self.project(projects.GENERIC % "", TWO))
        self.assertEqual(result.steps(), ["r1", "r2"])
        self.assertEqual(psql(database, "SELECT version_num FROM alembic_version"), ["r2"])

    def test_each_level_and_driver(self):
        for driver in ALL:
            env = projects.ASYNC if driver == "asyncpg" else projects.GENERIC % ""
            ini = Project.INI.replace("postgresql://", "postgresql+%s://" % driver)
            project = self.project(env, TWO, ini=ini)
            for level in ("process", "fork", "warm"):
                with self.subTest(driver=driver, level=level):
                    result, _ = self.same(project, level=level)
                    self.assertEqual(result.all("connection")[0]["driver"], DIALECTS[driver])
                    self.assertEqual([e["place"]["line"] for e in result.all("statement") if e["sql"].startswith("INSERT INTO a ")], [12])
                    self.assertEqual(result.all("unobserved"), [])
                    self.assertEqual(result.one("configured")["database"], result.all("connection")[0]["database"])

    def test_nothing_pending(self):
        project = self.project(projects.GENERIC % "", TWO)
        database = self.database()
        self.upgrade(project, database)
        result = self.upgrade(project, database)
        self.assertEqual((result.one("plan")["revisions"], result.steps()), ([], []))
        self.assertEqual(result.one("configured")["version_table"], "alembic_version")

    def test_list_of_revisions_is_a_command_each(self):
        project = self.project("from alembic import context\nprint('TO', context.get_revision_argument())\n" + projects.GENERIC % "", TWO)
        result, _ = self.same(project, revisions=("r1", "r2"))
        self.assertEqual(result.output("stdout").split(), ["TO", "r1", "TO", "r2"])
        self.assertEqual([e["revisions"] for e in result.all("plan")], [["r1"], ["r2"]])

    def test_x_arguments_cmd_opts_and_argv(self):
        env = "import sys\nfrom alembic import context\nprint(context.get_x_argument(as_dictionary=True)['tenant'], context.config.cmd_opts.revision, " \
              "context.config.cmd_opts.cmd[0].__name__, sys.argv[0].endswith('/alembic'), sys.argv[-2:])\n" + projects.GENERIC % ""
        result, _ = self.same(self.project(env, TWO), arguments=["-x", "tenant=t1"])
        self.assertEqual(result.output("stdout"), "t1 heads upgrade True ['upgrade', 'heads']\n")

    def test_module_path_is_that_of_the_console_script(self):
        # real() writes to a pipe as well; the first entry is the script's folder in both.
        env = "import sys, os\nfrom alembic import context\nprint([p for p in sys.path if 'mig_ci' not in p])\n" + projects.GENERIC % ""
        ini = Project.INI + "prepend_sys_path = .\n"
        project = self.project(env, TWO, ini=ini)
        done = self.real(project, self.database())
        expected = [line for line in done.stdout.splitlines() if line.startswith("[")]
        for level in ("process", "fork", "warm", "warm"):
            result = self.upgrade(project, self.database(), level=level)
            self.assertEqual(result.output("stdout").splitlines(), expected, level)

    def test_options_and_interpolation(self):
        env = "from alembic import context\nprint(context.config.get_main_option('target_schema'), context.config.get_main_option('greeting'))\n" + projects.GENERIC % ""
        ini = "[DEFAULT]\nwho = all\n" + Project.INI + "greeting = hello %(who)s\n"
        result = self.upgrade(self.project(env, TWO, ini=ini), self.database(), options={"target_schema": "50% t1", "script_location": "migrations"})
        self.assertEqual(result.output("stdout"), "50% t1 hello all\n")

    def test_named_section(self):
        ini = "[users]\nscript_location = %(here)s/migrations\nsqlalchemy.url = postgresql://localhost/nowhere\n"
        project = self.project(projects.GENERIC % "", TWO, ini=ini)
        result = self.upgrade(project, self.database(), section="users")
        self.assertEqual(result.steps(), ["r1", "r2"])

    def test_program_without_an_ini(self):
        env = "from alembic import context\nassert context.config.config_file_name is None\n" + projects.GENERIC % ""
        project = self.project(env, TWO)
        result = self.upgrade(project, self.database(), configs=[], options={"script_location": project.join("migrations")},
                              environment={"ALEMBIC_CONFIG": "none.ini"})
        self.assertEqual(result.steps(), ["r1", "r2"], result.events)

    def test_branches_and_merge(self):
        project = self.project(projects.GENERIC % "")
        project.revision("a1", "op.execute('CREATE TABLE a1 (id int)')", None)
        project.revision("b1", "op.execute('CREATE TABLE b1 (id int)')", "a1")
        project.revision("b2", "op.execute('CREATE TABLE b2 (id int)')", "a1")
        project.revision("m1", "pass", ("b1", "b2"))
        project.revision("z1", "op.execute('CREATE TABLE z1 (id int)')", None, "branch_labels = ('other',)")
        result, _ = self.same(project)
        merge = [e for e in result.all("step_begin") if e["revision"] == "m1"][0]
        self.assertEqual((merge["is_merge"], merge["is_empty"], sorted(merge["down_revisions"])), (True, True, ["b1", "b2"]))
        self.assertEqual([e["is_empty"] for e in result.all("step_begin")].count(True), 1)

    def test_statements_that_are_hard_to_record(self):
        project = self.project(projects.GENERIC % "", (
            "op.execute(\"CREATE TABLE a (t text)\")\nop.execute(sa.text(\"INSERT INTO a VALUES ('100%')\"))",
            "op.execute(\"\"\"DO $$ BEGIN\n\tINSERT INTO a VALUES ('tab\there');\nEND $$\"\"\")",
            "t = sa.table('a', sa.column('t', sa.Text))\nop.bulk_insert(t, [{'t': 'x%d' % n} for n in range(3)])",
            "with op.batch_alter_table('a') as batch:\n    batch.add_column(sa.Column('n', sa.Integer))",
            "for row in op.get_bind().execute(sa.text('SELECT t FROM a ORDER BY t')).fetchall():\n    op.execute(sa.text(\"UPDATE a SET n = length(t) WHERE t = :t\").bindparams(t=row[0]))",
        ))
        result, _ = self.same(project)
        self.assertIn("\tINSERT INTO a VALUES ('tab\there')", "\n".join(result.sql("r2")))
        # SQLAlchemy sends one statement with three rows, or one with three executions.
        inserted = [e for e in result.all("statement") if e["sql"].startswith("INSERT INTO a (t)")]
        self.assertEqual(len(inserted), 1)
        self.assertIn(inserted[0]["executions"], (1, 3))

    def test_autocommit_block_and_enum(self):
        project = self.project(projects.GENERIC % ", transaction_per_migration=True", (
            "op.execute(\"CREATE TYPE mood AS ENUM ('sad')\")\nop.execute('CREATE TABLE a (m mood)')",
            "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE mood ADD VALUE 'happy'\")\n    op.execute('CREATE INDEX CONCURRENTLY i ON a (m)')\nop.execute(\"INSERT INTO a VALUES ('happy')\")",
        ))
        result, _ = self.same(project)
        flags = {e["sql"].split()[0]: e["in_autocommit"] for e in result.all("statement") if e["revision"] == "r2" and "a (m)" in e["sql"] or "VALUES ('happy')" in e["sql"]}
        self.assertEqual(flags, {"CREATE": True, "INSERT": False})
        self.assertTrue(result.one("configured")["transaction_per_migration"])

    def test_revision_that_commits_by_text(self):
        project = self.project(projects.GENERIC % "", ("op.execute('CREATE TABLE a (id int)')\nop.execute('COMMIT')\nop.execute('CREATE TABLE b (id int)')",))
        result, _ = self.same(project)
        self.assertEqual([e["revision"] for e in result.all("transaction") if e.get("textual")], ["r1"])
        self.assertEqual(result.end["open_transactions"], [])

    def test_several_version_folders(self):
        ini = Project.INI + "version_locations = %(here)s/one %(here)s/two\n"
        project = self.project(projects.GENERIC % "", ini=ini)
        project.revision("a1", "op.execute('CREATE TABLE a1 (id int)')", None, folder="one")
        project.revision("b1", "op.execute('CREATE TABLE b1 (id int)')", None, folder="two")
        self.same(project)

    def test_package_location(self):
        project = self.project("", ini="[alembic]\nscript_location = pkg:migrations\nprepend_sys_path = .\nsqlalchemy.url = postgresql://localhost/nowhere\n",
                               files={"pkg/__init__.py": "", "pkg/migrations/env.py": projects.GENERIC % ""})
        project.revision("a1", "op.execute('CREATE TABLE a1 (id int)')", None, folder="pkg/migrations/versions")
        self.same(project)

    def test_schema_of_a_tenant_with_a_hostile_name(self):
        env = (projects.SCHEMA % "connection.commit() if hasattr(connection, 'commit') else None").replace('f"SET search_path TO {SCHEMA}"', "'SET search_path TO \"%s\"' % SCHEMA")
        project = self.project(env, TWO)
        result, database = self.same(project, sql='CREATE SCHEMA "t 1;--%s"', environment={"TENANT_SCHEMA": "t 1;--%s"})
        configured = result.one("configured")
        self.assertEqual((configured["version_table_schema"], configured["current_schemas"], configured["in_transaction"]),
                         ("t 1;--%s", ["t 1;--%s"], False))

    def test_translated_schema(self):
        env = (projects.GENERIC % "").replace("connectable.connect() as connection:", "connectable.connect().execution_options(schema_translate_map={None: 't1'}) as connection:")
        self.same(self.project(env, TWO[:1]), sql="CREATE SCHEMA t1")

    def test_multidb(self):
        one, two, real_one, real_two = (self.database() for _ in range(4))
        ini = "[alembic]\nscript_location = %(here)s/migrations\ndatabases = engine1, engine2\n[engine1]\nsqlalchemy.url = {0}\n[engine2]\nsqlalchemy.url = {1}\n"
        project = self.project(projects.MULTIDB, ini=ini.replace("{0}", Server.url(real_one)).replace("{1}", Server.url(real_two)))
        project.write("migrations/versions/m1.py", projects.MULTIDB_REVISION)
        result = self.upgrade(project, one, section_urls={"engine1": Server.url(one), "engine2": Server.url(two)})
        self.real(project, real_one)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual([state(one), state(two)], [state(real_one), state(real_two)])
        self.assertEqual([e["database"] for e in result.all("configured")], [one, two])
        refused = self.upgrade(project, one)
        self.assertEqual((refused.end["outcome"], refused.end["error"]["kind"]), ("failed", "alembic"))
        self.assertIn("engine1, engine2", refused.end["error"]["message"])
        self.assertEqual(refused.all("connection"), [])

    def test_pyproject(self):
        import alembic
        project = self.project(projects.GENERIC % "", TWO)
        project.write("pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
        result = self.upgrade(project, self.database(), configs=[project.join("pyproject.toml")], environment={"ALEMBIC_CONFIG": "none.ini"})
        if tuple(map(int, alembic.__version__.split(".")[:2])) >= (1, 16):
            self.assertEqual(result.steps(), ["r1", "r2"], result.events)
        else:
            self.assertIn("1.16", result.end["error"]["message"])


class Evidence(DriverCase):
    """What is reported besides the result."""

    def test_statement_has_the_line_of_its_operation(self):
        project = self.project(projects.GENERIC % "", TWO)
        result = self.upgrade(project, self.database())
        insert = [e for e in result.all("statement") if e["sql"].startswith("INSERT INTO a ")][0]
        self.assertEqual(insert["place"], {"file": project.join("migrations/versions/r2.py"), "line": 12, "function": "upgrade",
                                           "text": "op.execute('INSERT INTO a VALUES (7)')"})
        self.assertEqual((insert["revision"], insert["ok"], insert["rows"]), ("r2", True, 1))
        self.assertGreater(insert["duration_ms"], 0)

    def test_step_ends_after_the_ledger_and_its_transaction(self):
        project = self.project(projects.GENERIC % ", transaction_per_migration=True", TWO)
        result = self.upgrade(project, self.database())
        types = [(e["type"], e.get("revision"), e.get("action") or e.get("sql", "").split(" ")[0]) for e in result.events
                 if e["type"] in ("step_begin", "step_end", "statement", "transaction") and e.get("revision") == "r2"]
        self.assertEqual(types, [("step_begin", "r2", ""), ("transaction", "r2", "begin"), ("statement", "r2", "INSERT"),
                                 ("statement", "r2", "UPDATE"), ("transaction", "r2", "commit"), ("step_end", "r2", "")])

    def test_limits(self):
        project = self.project(projects.GENERIC % "", ("op.execute('CREATE TABLE a (t text)')\nfor n in range(20):\n    op.execute(\"INSERT INTO a VALUES ('%s')\" % ('é' * 500))",))
        message = self.message(project, self.database())
        message["limits"] = {"output_bytes": 100, "sql_bytes": 101, "statements": 10}
        result = self.driver.run(message)
        self.assertEqual(len(result.all("statement")), 10)
        self.assertEqual(result.end["statements"], 10 + result.end["statements_not_sent"])
        self.assertGreater(result.end["statements_not_sent"], 10)
        last = result.all("statement")[-1]
        self.assertTrue(last["truncated"])
        self.assertLessEqual(len(last["sql"].encode("utf-8")), 101)

    def test_other_events_have_limits(self):
        body = "op.execute(\"DO $$ BEGIN FOR n IN 1..50 LOOP RAISE NOTICE 'n %', n; END LOOP; END $$\")"
        message = self.message(self.project(projects.GENERIC % "", (body,)), self.database())
        message["limits"]["statements"] = 20
        result = self.driver.run(message)
        self.assertEqual((len(result.all("notice")), result.end["not_sent"]), (20, {"notice": 30}))

    def test_unobserved_executions(self):
        body = "cursor = op.get_bind().connection.cursor()\ncursor.execute('CREATE TABLE a (id int)')\ncursor.execute('INSERT INTO a VALUES (1)')"
        for driver in ALL:
            if driver == "asyncpg":
                continue
            with self.subTest(driver=driver):
                project = self.project(projects.GENERIC % "", (body,), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver))
                result = self.upgrade(project, self.database())
                self.assertEqual([(e["revision"], e["place"]["line"], e["count"]) for e in result.all("unobserved")], [("r1", 13, 1), ("r1", 14, 1)])

    def test_notices(self):
        body = "op.execute(\"DO $$ BEGIN RAISE WARNING 'careful %', 1 USING ERRCODE = '01234'; END $$\")"
        for driver in ALL:
            with self.subTest(driver=driver):
                env = projects.ASYNC if driver == "asyncpg" else projects.GENERIC % ""
                result = self.upgrade(self.project(env, (body,), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver)), self.database())
                notice = result.one("notice")
                self.assertEqual((notice["revision"], notice["severity"], notice["message"]), ("r1", "WARNING", "careful 1"))
                self.assertEqual(notice["sqlstate"], None if driver == "psycopg2" else "01234")

    def test_swallowed_failure_is_listed(self):
        body = "bind = op.get_bind()\ntry:\n    with bind.begin_nested():\n        op.execute('SELECT * FROM missing')\nexcept Exception:\n    pass\nop.execute('CREATE TABLE a (id int)')"
        result = self.upgrade(self.project(projects.GENERIC % "", (body,)), self.database())
        self.assertEqual(result.end["outcome"], "ok", result.events)
        failed = [e for e in result.all("statement") if not e["ok"]]
        self.assertEqual([(e["error"]["sqlstate"], e["place"]["line"]) for e in failed], [("42P01", 15)])
        self.assertEqual([(e["sqlstate"], e["revision"]) for e in result.end["swallowed"]], [("42P01", "r1")])
        self.assertEqual(result.all("statement")[result.end["swallowed"][0]["statement"]], failed[0])
        self.assertEqual(result.steps(), ["r1"])

    def test_env_that_swallows_a_failed_revision(self):
        env = (projects.GENERIC % "").replace("run_migrations_online()\n", "", 0)
        env = env[:env.rindex("run_migrations_online()")] + "try:\n    run_migrations_online()\nexcept Exception:\n    print('went on')\n"
        for body, kind in (("op.execute('SELECT * FROM missing')", "database"), ("raise ValueError('no')", "python")):
            result = self.upgrade(self.project(env, (body,)), self.database())
            self.assertEqual((result.end["outcome"], result.exit["code"]), ("ok", 0))
            self.assertEqual(result.steps(), [])
            self.assertEqual([(e["kind"], e["revision"], e["place"]["line"]) for e in result.end["unfinished"]], [(kind, "r1", 12)])


class Transactions(DriverCase):
    def test_guides_env_commits_nothing_with_sqlalchemy_2(self):
        import sqlalchemy
        project = self.project(projects.SCHEMA % "", TWO)
        database = self.database("CREATE SCHEMA t1")
        result = self.upgrade(project, database, environment={"TENANT_SCHEMA": "t1"})
        self.assertEqual((result.end["outcome"], result.exit["code"]), ("ok", 0), result.events)
        if sqlalchemy.__version__.startswith("1."):
            self.assertEqual(result.end["open_transactions"], [])
            self.assertEqual(psql(database, "SELECT id FROM t1.a"), ["7"])
            return
        self.assertEqual(psql(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 't1'"), ["0"])
        configured = result.one("configured")
        self.assertTrue(configured["in_transaction"])
        self.assertEqual(configured["begun_at"]["text"], 'connection.execute(text(f"SET search_path TO {SCHEMA}"))')
        lost, = result.end["open_transactions"]
        self.assertEqual((lost["database"], lost["begun_at"], lost["ended"]), (database, configured["begun_at"], "closed"))
        self.assertGreaterEqual(lost["statements"], 3)

    def test_guides_env_with_its_commit(self):
        project = self.project(projects.SCHEMA % "connection.commit() if hasattr(connection, 'commit') else None", TWO)
        database = self.database("CREATE SCHEMA t1")
        result = self.upgrade(project, database, environment={"TENANT_SCHEMA": "t1"})
        self.assertEqual(psql(database, "SELECT id FROM t1.a"), ["7"])
        self.assertEqual((result.end["open_transactions"], result.one("configured")["in_transaction"]), ([], False))

    def test_connection_that_stays_open(self):
        env = "from alembic import context\nfrom sqlalchemy import create_engine, text\nconnection = create_engine(context.config.get_main_option('sqlalchemy.url'), future=True).connect()\n" \
              "connection.execute(text('SELECT 1'))\ncontext.configure(connection=connection)\nwith context.begin_transaction():\n    context.run_migrations()\n"
        result = self.upgrade(self.project(env, TWO), self.database())
        self.assertEqual([(t["begun_at"]["line"], t["ended"]) for t in result.end["open_transactions"]], [(4, "open")])

    def test_connection_that_nobody_closes(self):
        env = "from alembic import context\nfrom sqlalchemy import create_engine, text\nimport gc\n\n\ndef run():\n    connection = create_engine(context.config.get_main_option('sqlalchemy.url'), future=True).connect()\n" \
              "    connection.execute(text('SELECT 1'))\n    context.configure(connection=connection)\n    with context.begin_transaction():\n        context.run_migrations()\n\n\nrun()\ncontext._proxy._migration_context = None\ngc.collect()\n"
        database = self.database()
        result = self.upgrade(self.project(env, TWO), database)
        self.assertEqual([t["begun_at"]["line"] for t in result.end["open_transactions"]], [8], result.events)
        self.assertEqual(psql(database, "SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), ["0"])

    def test_set_on_an_autocommit_connection_loses_nothing(self):
        env = (projects.SCHEMA % "").replace("poolclass=pool.NullPool", "poolclass=pool.NullPool, isolation_level='AUTOCOMMIT'")
        database = self.database("CREATE SCHEMA t1")
        result = self.upgrade(self.project(env, TWO), database, environment={"TENANT_SCHEMA": "t1"})
        self.assertEqual(psql(database, "SELECT id FROM t1.a"), ["7"])
        configured = result.one("configured")
        self.assertEqual((configured["in_transaction"], configured["in_autocommit"], result.end["open_transactions"]), (False, True, []))

    def test_commit_on_the_dbapi_connection_loses_nothing(self):
        env = (projects.SCHEMA % "").replace("            context.run_migrations()", "            context.run_migrations()\n        connection.connection.commit()")
        database = self.database("CREATE SCHEMA t1")
        result = self.upgrade(self.project(env, TWO), database, environment={"TENANT_SCHEMA": "t1"})
        self.assertEqual(psql(database, "SELECT id FROM t1.a"), ["7"])
        self.assertEqual(result.end["open_transactions"], [], result.events)

    def test_asynchronous_env_that_commits_nothing(self):
        env = projects.ASYNC.replace("    context.configure(connection", "    from sqlalchemy import text\n    connection.execute(text('SELECT 1'))\n    context.configure(connection")
        ini = Project.INI.replace("postgresql://", "postgresql+asyncpg://")
        result = self.upgrade(self.project(env, TWO, ini=ini), self.database())
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual([t["begun_at"]["text"] for t in result.end["open_transactions"]], ["connection.execute(text('SELECT 1'))"])
        self.assertTrue(result.one("configured")["in_transaction"])

    def test_rollback_of_a_failed_revision_is_no_lost_transaction(self):
        result = self.upgrade(self.project(projects.GENERIC % "", TWO[:1] + ("op.execute('SELECT * FROM missing')",)), self.database())
        self.assertEqual((result.end["outcome"], result.end["open_transactions"]), ("failed", []))
        self.assertIn("rollback", [e["action"] for e in result.all("transaction")])

    def test_settings_are_connection_parameters(self):
        for driver in ALL:
            with self.subTest(driver=driver):
                env = projects.ASYNC if driver == "asyncpg" else projects.GENERIC % ""
                body = "op.execute(\"DO $$ BEGIN RAISE WARNING '%', current_setting('work_mem') || current_setting('app.name'); END $$\")"
                project = self.project(env, (body,), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver))
                message = self.message(project, self.database())
                message["server"]["url"] += "?options=-c%20work_mem%3D12MB%20-c%20app.name%3Da%5C%20b"
                result = self.driver.run(message)
                if driver == "pg8000" and result.end["outcome"] == "failed":
                    # Versions of pg8000 without start-up parameters say so instead of ignoring the settings.
                    self.assertIn("startup_params", result.end["error"]["message"])
                    continue
                self.assertEqual(result.one("notice")["message"], "12MBa b", result.events)
