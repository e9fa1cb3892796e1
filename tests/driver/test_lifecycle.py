"""The end of targets: cancelled, with mig-ci gone, with descendants that try to stay."""
import os
import signal

import projects
from harness import Driver, DriverCase

ONE = ("op.execute('CREATE TABLE a (id int)')",)
# Waits until it is killed, and says in a file who it is.
WAIT = "import os, threading\nwith open('%s', 'w') as file:\n    file.write(str(os.getpid()))\nos.rename('%s', '%s.pid')\nthreading.Event().wait()\n"


def alive(pid):
    """Whether a process exists; one that waits to be reaped does not count."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Lifecycle(DriverCase):
    def pid(self, project, name):
        path = project.join(name + ".pid")
        self.eventually(lambda: os.path.exists(path), "%s was not written" % path)
        with open(path) as file:
            return int(file.read())

    def gone(self, pid):
        self.eventually(lambda: not alive(pid), "process %d is left" % pid)

    def started(self, body, level, names):
        """A run that waits, and the processes that have written their numbers."""
        project = self.project(body, ONE)
        message = self.message(project, self.database(), level=level)
        self.driver.send(message)
        return message["id"], [self.pid(project, name) for name in names]

    CHILD = "import subprocess, sys\nsubprocess.Popen(['sh', '-c', 'echo $$ > child.tmp; mv child.tmp child.pid; sleep 1000'])\n"
    # Leaves the group and the session, and keeps only the pipes.
    ESCAPED = "import subprocess\nsubprocess.Popen(['sh', '-c', 'echo $$ > escaped.tmp; mv escaped.tmp escaped.pid; sleep 1000'], start_new_session=True)\n"
    # A daemon that has left everything behind.
    DAEMON = "import subprocess\nsubprocess.run(['sh', '-c', 'setsid sh -c \"echo \\\\$\\\\$ > daemon.tmp; mv daemon.tmp daemon.pid; exec sleep 1000\" </dev/null >/dev/null 2>&1 &'])\n"

    def test_cancel_kills_the_group(self):
        for level in ("process", "fork"):
            run, pids = self.started(self.CHILD + WAIT.replace("%s", "main"), level, ["main", "child"])
            self.driver.send({"type": "cancel", "id": run})
            result = self.driver.result(run)
            self.assertEqual((result.exit["cancelled"], result.exit["signal"], result.all("end")), (True, 9, []))
            for pid in pids:
                self.gone(pid)

    def test_cancel_kills_a_silent_group_while_others_run(self):
        # Without pipes, and beside another run, only the group tells to whom the child belongs.
        silent = self.CHILD.replace("sleep 1000'", "exec sleep 1000 </dev/null >/dev/null 2>&1'")
        other, others = self.started(WAIT.replace("%s", "other"), "process", ["other"])
        for level in ("process", "fork"):
            run, pids = self.started(silent + WAIT.replace("%s", "main"), level, ["main", "child"])
            self.driver.send({"type": "cancel", "id": run})
            self.assertTrue(self.driver.result(run).exit["cancelled"])
            for pid in pids:
                self.gone(pid)
        self.assertTrue(alive(others[0]))
        self.driver.send({"type": "cancel", "id": other})
        self.driver.result(other)

    def test_group_ends_with_its_target(self):
        for level in ("process", "fork"):
            project = self.project(self.CHILD + projects.GENERIC % "", ONE)
            result = self.upgrade(project, self.database(), level=level)
            self.assertEqual(result.end["outcome"], "ok")
            # The shell may have been killed before it wrote its number.
            if os.path.exists(project.join("child.pid")):
                self.gone(self.pid(project, "child"))

    def test_descendants_in_other_sessions_end_with_their_target(self):
        for level in ("process", "fork"):
            for code, name in ((self.ESCAPED, "escaped"), (self.DAEMON, "daemon")):
                with self.subTest(level=level, name=name):
                    wait = "import os, threading\nwhile not os.path.exists('%s.pid'):\n    threading.Event().wait(0.01)\n" % name
                    project = self.project(code + wait + projects.GENERIC % "", ONE)
                    result = self.upgrade(project, self.database(), level=level)
                    self.assertEqual(result.end["outcome"], "ok")
                    self.gone(self.pid(project, name))

    def test_end_of_the_channel_ends_everything(self):
        for level in ("process", "fork"):
            driver = Driver()
            self._driver = driver
            run, pids = self.started(self.CHILD + self.ESCAPED + WAIT.replace("%s", "main"), level, ["main", "child", "escaped"])
            driver.close()
            self.assertEqual(driver.process.returncode, 0)
            for pid in pids:
                self.gone(pid)

    def test_killed_supervisor_takes_its_targets_along(self):
        for level in ("process", "fork"):
            driver = Driver()
            self._driver = driver
            _, pids = self.started(WAIT.replace("%s", "main"), level, ["main"])
            driver.process.kill()
            driver.process.wait()
            self.gone(pids[0])
            driver.close()

    def test_interrupt_is_for_mig_ci(self):
        run, pids = self.started(WAIT.replace("%s", "main"), "process", ["main"])
        self.driver.process.send_signal(signal.SIGINT)
        result = self.upgrade(self.project(projects.GENERIC % "", ONE), self.database())
        self.assertEqual(result.end["outcome"], "ok")
        self.assertTrue(alive(pids[0]))
        self.driver.send({"type": "cancel", "id": run})
        self.driver.result(run)

    def test_targets_run_beside_each_other(self):
        env = "import os, threading\nopen(os.environ['MINE'], 'w').close()\nwhile not os.path.exists(os.environ['OTHER']):\n    threading.Event().wait(0.01)\n" + projects.GENERIC % ""
        project = self.project(env, ONE)
        for level in ("process", "fork"):
            messages = [self.message(project, self.database(), environment={"MINE": level + mine, "OTHER": level + other}, level=level) for mine, other in ("ab", "ba")]
            for message in messages:
                self.driver.send(message)
            for message in messages:
                result = self.driver.result(message["id"])
                self.assertEqual((result.end["outcome"], result.steps()), ("ok", ["r1"]))

    def test_template_that_dies_is_reported(self):
        env = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport threading\nthreading.Event().wait(5)\n"
        result = self.upgrade(self.project(env, ONE), self.database(), level="fork")
        self.assertEqual((result.exit["signal"], result.all("end")), (9, []))
        self.assertIn("template", result.exit["reason"])
        # What comes next has a level that works.
        result = self.upgrade(self.project(projects.GENERIC % "", ONE), self.database(), level="fork")
        self.assertEqual(result.end["outcome"], "ok")

    def test_cancel_before_the_template_is_ready(self):
        project = self.project("import sys\nsys.path.insert(0, '.')\nimport slow\n" + projects.GENERIC % "", ONE, files={
            "slow.py": "import os, threading\nif 'mig_ci_driver.template' in __import__('sys').modules and os.getppid() == int(os.environ['SUPERVISOR']):\n    threading.Event().wait()\n"})
        messages = [self.message(project, self.database(), level="warm") for _ in range(2)]
        for message in messages:
            for name in ("environment", "neutral_environment"):
                message[name]["SUPERVISOR"] = str(self.driver.process.pid)
        self.assertEqual(self.driver.run(messages[0]).end["outcome"], "ok")
        # The template of the second run never becomes ready.
        self.driver.send(messages[1])
        self.driver.send({"type": "cancel", "id": messages[1]["id"]})
        result = self.driver.result(messages[1]["id"])
        self.assertEqual((result.exit["cancelled"], result.all("level")), (True, []))

    def test_process_limits_and_masks_are_those_of_a_fresh_process(self):
        env = "import signal, os\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid())\n" + projects.GENERIC % ""
        for level in ("process", "fork", "warm"):
            self.assertEqual(self.upgrade(self.project(env, ONE), self.database(), level=level).output("stdout"), "True True True True True\n")

    def test_random_numbers_differ_between_targets(self):
        project = self.project("import random\nprint(random.random())\n" + projects.GENERIC % "", ONE)
        seen = {self.upgrade(project, self.database(), level="warm").output("stdout") for _ in range(3)}
        self.assertEqual(len(seen), 3)
