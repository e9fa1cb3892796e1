"""Rules of the driver that need no process: URLs, marks in the output, and connection settings."""
import os
import sys
import unittest

from harness import SOURCES

sys.path.insert(0, os.path.dirname(os.path.abspath(SOURCES)))
SERVER = {"host": "127.0.0.1", "port": 5432, "socket_dir": None, "database": "d"}


def driver_module(name):
    """A module of the driver, imported as the bootstrap does it."""
    if "mig_ci_driver" not in sys.modules:
        texts = {}
        for file in os.listdir(SOURCES):
            if file.endswith(".py"):
                with open(os.path.join(SOURCES, file), encoding="utf-8") as source:
                    texts[file[:-3]] = source.read()
        bootstrap = {"__name__": "bootstrap"}
        exec(compile(texts["bootstrap"], "bootstrap.py", "exec"), bootstrap)
        sys.meta_path.insert(0, bootstrap["_Sources"](texts))
    return __import__("mig_ci_driver." + name, fromlist=[name])


class Urls(unittest.TestCase):
    def ours(self, project, server="postgresql://u:p%40@127.0.0.1:5432/d"):
        return driver_module("urls").ours(project, server, SERVER)

    def test_driver_is_kept(self):
        for driver in ("psycopg2", "psycopg", "asyncpg", "pg8000"):
            self.assertEqual(self.ours("postgresql+%s://x:y@prod/z" % driver), "postgresql+%s://u:p%%40@127.0.0.1:5432/d" % driver)

    def test_server_and_tls_are_dropped(self):
        url = self.ours("postgresql+psycopg2://prod/z?sslmode=require&host=prod&hostaddr=1.2.3.4&service=prod&passfile=x&unknown=1&application_name=app")
        self.assertEqual(url, "postgresql+psycopg2://u:p%40@127.0.0.1:5432/d?application_name=app")

    def test_options_of_both_are_joined_and_ours_come_last(self):
        url = self.ours("postgresql+psycopg2://prod/z?options=-csearch_path%3Da", "postgresql://u@h/d?options=-c%20work_mem%3D1MB")
        self.assertEqual(url, "postgresql+psycopg2://u@h/d?options=-csearch_path%3Da%20-c%20work_mem%3D1MB")

    def test_socket_folder_for_pg8000(self):
        self.assertEqual(self.ours("postgresql+pg8000://h/z", "postgresql://u@/d?host=/run/pg&port=5433"),
                         "postgresql+pg8000://u@/d?unix_sock=/run/pg/.s.PGSQL.5433")

    def test_other_databases_and_placeholders(self):
        for url in (None, "", "driver://user:pass@localhost/dbname", "sqlite:///x.db", "%(DB_URL)s"):
            self.assertRegex(self.ours(url), r"^postgresql(\+\w+)?://u:p%40@127\.0\.0\.1:5432/d$")


class Settings(unittest.TestCase):
    def test_options_of_libpq(self):
        settings = driver_module("session").settings
        self.assertEqual(settings(r"-c search_path=a\ b -cwork_mem=1MB --lock-timeout=5 -x"),
                         {"search_path": "a b", "work_mem": "1MB", "lock_timeout": "5"})
        self.assertEqual(settings(""), {})


class Streams(unittest.TestCase):
    def texts(self, chunks, limit=100):
        found = []
        stream = driver_module("streams").Stream("stdout", "t0", limit, lambda type_, **fields: found.append(fields))
        for chunk in chunks:
            stream.feed(chunk)
        stream.finish()
        return [(fields["revision"], fields["text"], fields["dropped_bytes"]) for fields in found]

    def test_marks_are_found_however_they_are_cut(self):
        mark = driver_module("capture").mark
        data = b"before" + mark("t0", "r1") + b"one\x00mig" + mark("other", "x") + mark("t0", None) + b"after\x00mig-ci:"
        for size in range(1, len(data) + 1):
            chunks = [data[at:at + size] for at in range(0, len(data), size)]
            self.assertEqual(self.texts(chunks), [(None, "before", 0), ("r1", "one\x00mig\x00mig-ci:other:x\x00", 0), (None, "after\x00mig-ci:", 0)], size)

    def test_first_and_last_part_are_kept(self):
        (_, text, dropped), = self.texts([b"a" * 50 + b"b" * 1000 + b"c" * 50])
        self.assertEqual((text, dropped), ("a" * 50 + "\n[1000 bytes left out]\n" + "c" * 50, 1000))
        self.assertEqual(self.texts([b"a" * 50, b"c" * 50]), [(None, "a" * 50 + "c" * 50, 0)])

    def test_no_limit_is_exceeded_in_memory(self):
        stream = driver_module("streams").Stream("stdout", "t0", 10, lambda *_, **__: None)
        for _ in range(1000):
            stream.feed(b"x" * 1000)
            self.assertLessEqual(len(stream.head) + len(stream.tail) + len(stream.pending), 40)


class Sources(unittest.TestCase):
    """House rules that a reader would otherwise have to check."""

    def test_files_and_functions_are_short_and_have_a_purpose(self):
        import ast
        for name in sorted(os.listdir(SOURCES)):
            if not name.endswith(".py"):
                continue
            with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
                text = file.read()
            tree = ast.parse(text)
            self.assertTrue(ast.get_docstring(tree), name)
            self.assertLessEqual(text.count("\n"), 300, name)
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self.assertLessEqual(node.end_lineno - node.lineno, 60, (name, node.name))

    def test_supervisor_imports_the_standard_library_only(self):
        import ast
        own = {name[:-3] for name in os.listdir(SOURCES)}
        seen, pending = set(), ["supervisor"]
        while pending:
            module = pending.pop()
            if module in seen:
                continue
            seen.add(module)
            with open(os.path.join(SOURCES, module + ".py"), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level:
                    pending += [node.module] if node.module else [alias.name for alias in node.names if alias.name in own]
        self.assertFalse(seen & {"alembic_run", "drivers", "recorder", "target", "transactions"}, seen)
