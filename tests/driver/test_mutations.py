"""Injects faults into a copy of the driver: the named test of each must fail.

`MIG_CI_TEST_ROUNDS=whole` runs all of them, which takes minutes; otherwise only the list is checked, and one fault is tried.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import SOURCES
from mutations import FAULTS

FOLDER = os.path.dirname(os.path.abspath(__file__))
WHOLE = os.environ.get("MIG_CI_TEST_ROUNDS") == "whole"


def run(test, sources):
    return subprocess.run([sys.executable, "-W", "ignore", "-m", "unittest", test], cwd=FOLDER, env=dict(os.environ, MIG_CI_TEST_DRIVER=sources, MIG_CI_TEST_DEADLINE="20"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)


class Mutations(unittest.TestCase):
    def test_list_is_complete_and_fits_the_source(self):
        self.assertGreaterEqual(len(FAULTS), 30)
        for fault in FAULTS:
            with self.subTest(fault=fault.name):
                with open(os.path.join(SOURCES, fault.file), encoding="utf-8") as file:
                    self.assertEqual(file.read().count(fault.old), 1, fault.old)
                self.assertEqual(len(list(unittest.defaultTestLoader.loadTestsFromName(fault.test))), 1)

    def test_each_fault_is_found(self):
        for fault in FAULTS if WHOLE else FAULTS[:1]:
            with self.subTest(fault=fault.name):
                folder = tempfile.mkdtemp(prefix="mig-ci-driver-fault-")
                self.addCleanup(shutil.rmtree, folder, True)
                sources = os.path.join(folder, "python")
                shutil.copytree(SOURCES, sources)
                path = os.path.join(sources, fault.file)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace(fault.old, fault.new))
                done = run(fault.test, sources)
                # A test that is skipped, or a driver that does not start, finds nothing.
                self.assertEqual(done.returncode, 1, "not found: %s\n%s" % (fault.test, done.stdout[-2000:]))
                self.assertNotIn("skipped", done.stdout)
                self.assertNotIn("SyntaxError", done.stdout)

    @unittest.skipUnless(WHOLE, "MIG_CI_TEST_ROUNDS is not whole")
    def test_named_tests_pass_without_a_fault(self):
        done = subprocess.run([sys.executable, "-W", "ignore", "-m", "unittest"] + sorted({fault.test for fault in FAULTS}), cwd=FOLDER,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
