"""What the driver reads for itself leaves the connection as it was."""
import projects
from harness import DriverCase, Project
from urls_of_environment import ALL

IDLE = """
import sys
from alembic import context
from sqlalchemy import create_engine, text
engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
watcher = create_engine(context.config.get_main_option("sqlalchemy.url"), isolation_level="AUTOCOMMIT").connect()
connection = engine.connect()
pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
getattr(connection, "commit", connection.connection.rollback)()


class Context:
    as_sql = False
    version_table, version_table_schema = "alembic_version", None


Context.connection = connection
facts = sys.modules["mig_ci_driver.facts"]
target = sys.modules["mig_ci_driver.guard"].GUARD.target
read = facts.read(Context, target, None)
state = watcher.execute(text("SELECT state FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}).scalar()
print(read["database"], read["current_schemas"], state, facts.idle(facts.dbapi_connection(connection)))
connection.exec_driver_sql("SELECT 1")
facts.read(Context, target, None)
state = watcher.execute(text("SELECT state FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}).scalar()
print(state)
"""


class Facts(DriverCase):
    def test_idle_connection_stays_idle(self):
        for driver in ALL:
            if driver == "asyncpg":
                continue
            with self.subTest(driver=driver):
                project = self.project(IDLE, (), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % driver))
                database = self.database()
                result = self.upgrade(project, database)
                self.assertEqual(result.output("stdout"), "%s ['public'] idle True\nidle in transaction\n" % database, result.events)
                # The driver's own reads are no evidence.
                self.assertEqual([e["driver"] for e in result.all("unobserved")], [])

    def test_search_path_of_the_connection(self):
        env = (projects.GENERIC % "").replace('prefix="sqlalchemy.", ', 'prefix="sqlalchemy.", connect_args={"options": "-csearch_path=one,two,gone"}, ')
        from urls_of_environment import SYNC
        project = self.project(env, ("pass",), ini=Project.INI.replace("postgresql://", "postgresql+%s://" % SYNC[0]))
        result = self.upgrade(project, self.database("CREATE SCHEMA one; CREATE SCHEMA two"))
        configured = result.one("configured")
        self.assertEqual((configured["current_schemas"], configured["user"]), (["one", "two"], self.message(project, "x")["server"]["user"]))
        self.assertEqual(configured["place"]["text"], "context.configure(connection=connection, target_metadata=None)")
