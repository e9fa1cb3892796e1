"""An upgrade through the driver: steps, statements, places, failures and exit codes."""
import projects
from harness import DriverCase, psql, state

TWO = ("op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.execute('INSERT INTO a VALUES (7)')")


class Upgrade(DriverCase):
    def test_generic_project_gives_the_state_of_the_real_alembic(self):
        project = self.project(projects.GENERIC % "", TWO)
        ours, theirs = self.database(), self.database()
        result = self.upgrade(project, ours)
        self.real(project, theirs)
        self.assertEqual(result.end["outcome"], "ok", result.events)
        self.assertEqual(result.exit["code"], 0)
        self.assertEqual(result.steps(), ["r1", "r2"])
        self.assertEqual(state(ours), state(theirs))
        self.assertEqual(psql(ours, "SELECT version_num FROM alembic_version"), ["r2"])

    def test_statement_has_the_line_of_its_operation(self):
        project = self.project(projects.GENERIC % "", TWO)
        result = self.upgrade(project, self.database())
        insert = [e for e in result.all("statement") if e["sql"].startswith("INSERT INTO a ")][0]
        self.assertEqual(insert["place"], {"file": project.join("migrations/versions/r2.py"), "line": 12, "function": "upgrade",
                                           "text": "op.execute('INSERT INTO a VALUES (7)')"})
        self.assertEqual((insert["revision"], insert["ok"], insert["rows"]), ("r2", True, 1))


if __name__ == "__main__":
    import unittest
    unittest.main()
