"""Faults for the driver's source, each with the test that has to find it.

A fault replaces one text, which occurs exactly once in its file. Without these tests a driver that
reports less, or lets more through, would look the same.
"""


class Fault:
    def __init__(self, name, file, old, new, test):
        self.name = name
        self.file = file
        self.old = old
        self.new = new
        # Module, class and method of the test.
        self.test = test


FAULTS = [
    Fault("wrong tenant: the template's environment instead of the target's", "target.py",
          '    os.environ.update(message["environment"])\n', '    os.environ.update(message["run"]["neutral_environment"])\n',
          "test_levels.Levels.test_module_that_reads_the_tenant_at_import_is_not_shared"),
    Fault("leaked variable: the environment is not cleared", "target.py", "    os.environ.clear()\n", "    os.environ['X_1'] = '1'\n",
          "test_levels.Levels.test_variables_of_one_target_are_unknown_to_the_next"),
    Fault("lost commit: transactions ended by close are not listed", "transactions.py",
          "if by_close and transaction is not None", "if False and transaction is not None",
          "test_upgrade.Transactions.test_guides_env_commits_nothing_with_sqlalchemy_2"),
    Fault("lost commit: a connection that nobody closes", "transactions.py", "        if transaction.revision_statements and _in_transaction(dbapi):\n", "        if False:\n",
          "test_upgrade.Transactions.test_connection_that_nobody_closes"),
    Fault("swallowed error: failed statements are not kept", "recorder.py", "        if len(self.failed) < SWALLOWED_LISTED:\n", "        if False:\n",
          "test_upgrade.Evidence.test_swallowed_failure_is_listed"),
    Fault("swallowed step: a failure that env.py catches is not kept", "alembic_run.py", "        if len(self.unfinished) < 100:\n", "        if False:\n",
          "test_upgrade.Evidence.test_env_that_swallows_a_failed_revision"),
    Fault("stale module: variables that imports read are not compared", "templates.py",
          "        read = changed if", "        read = set() if True else changed if",
          "test_levels.Levels.test_module_that_reads_the_tenant_at_import_is_not_shared"),
    Fault("stale module: listing the environment is not noticed", "template.py", "            self.names.add(ALL)\n", "",
          "test_levels.Levels.test_module_that_lists_the_environment_is_not_shared"),
    Fault("wrong revision boundary: the step ends before Alembic has run it", "alembic_run.py",
          '            yield step\n            self.target.boundary()\n', '            self.target.boundary()\n',
          "test_upgrade.Same.test_generic_project"),
    Fault("wrong revision boundary: the next step's name is set late", "alembic_run.py",
          "            self.target.set_revision(revision)\n", "",
          "test_upgrade.Evidence.test_step_ends_after_the_ledger_and_its_transaction"),
    Fault("dropped statement: none is sent in autocommit", "recorder.py", "        self.statements += 1\n",
          "        if record.get('autocommit'):\n            return\n        self.statements += 1\n",
          "test_upgrade.Same.test_autocommit_block_and_enum"),
    Fault("dropped statement: the limit is off by one", "recorder.py", "self.statements > self.limit and ok", "self.statements >= self.limit and ok",
          "test_upgrade.Evidence.test_limits"),
    Fault("guard off: hosts", "guard.py", '        if server.get("host") and (host ==', '        if server.get("host") and (True or host ==',
          "test_guard.Guard.test_libpq_hostaddr"),
    Fault("guard off: ports", "guard.py", '        if _number(port) != int(server["port"]):\n            return "the port',
          '        if False:\n            return "the port', "test_guard.Guard.test_only_the_port_is_wrong"),
    Fault("guard off: databases", "guard.py", "        if database not in self.databases:\n", "        if False:\n",
          "test_guard.Guard.test_other_database_of_our_server"),
    Fault("guard off: sockets", "audit.py", "    if event in _EVENTS:\n", "    if event in _EVENTS and not event.startswith('socket'):\n",
          "test_guard.Guard.test_plain_socket"),
    Fault("guard off: the second host", "guard.py", "        for index, one in enumerate(hosts):\n", "        for index, one in enumerate(hosts[:1]):\n",
          "test_guard.Guard.test_libpq_second_of_several_hosts"),
    Fault("guard off: only names that are bound late", "imports.py", "        self._function(module)\n", "",
          "test_guard.Guard.test_name_bound_in_a_forked_target"),
    Fault("guard off: a refusal that the project catches counts for nothing", "target.py", "        if self.guard.refusals:\n", "        if False:\n",
          "test_guard.Guard.test_project_swallows_the_refusal"),
    Fault("guard off: libpq's environment", "libpq.py", "(environment(variable) or None)", "(None)",
          "test_guard.Guard.test_libpq_environment_behind_os_environ"),
    Fault("guard off: asyncpg's databases", "drivers.py", "            GUARD.check(\"asyncpg\", address[0], address[1], parameters.database, parameters.user)\n", "            pass\n",
          "test_upgrade.Same.test_each_level_and_driver"),
    Fault("URL of the project is kept", "urls.py", '    _set(config, section, ours(project_url, server["url"], server))\n', "",
          "test_upgrade.Same.test_generic_project"),
    Fault("driver of the project's URL is dropped", "urls.py", 'driver = (match.group(2) or "") if match else ""', 'driver = ""',
          "test_upgrade.Same.test_each_level_and_driver"),
    Fault("output unbounded", "streams.py", "        if over > 0:\n", "        if False:\n", "test_output.Output.test_a_megabyte_is_bounded"),
    Fault("output of the wrong step", "streams.py", "            self.flush()\n            name =", "            name =",
          "test_output.Output.test_output_belongs_to_its_step"),
    Fault("kill of the group off", "processes.py", "        os.killpg(pid, signal.SIGKILL)\n", "        os.kill(pid, signal.SIGKILL)\n",
          "test_lifecycle.Lifecycle.test_cancel_kills_a_silent_group_while_others_run"),
    Fault("kill of escaped processes off", "supervisor.py", "            if not self.runs or processes.open_files", "            if False and processes.open_files",
          "test_lifecycle.Lifecycle.test_descendants_in_other_sessions_end_with_their_target"),
    Fault("death signal off", "processes.py", "    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)\n    if", "    if",
          "test_lifecycle.Lifecycle.test_killed_supervisor_takes_its_targets_along"),
    Fault("events of forked children", "channel.py", "        return os.getpid() != self.pid\n", "        return False\n",
          "test_output.Output.test_forked_child_writes_no_events"),
    Fault("events into the project's own file", "descriptors.py", "        return self.identity is not None and identity(self.fd) == self.identity\n", "        return True\n",
          "test_output.Output.test_reused_descriptor_is_not_written_to"),
    Fault("open stdin", "descriptors.py", "        os.dup2(opened, fd)\n", "        pass\n", "test_output.Output.test_question_on_stdin_is_the_end_of_file"),
    Fault("place of the outermost frame of the project", "places.py", '            if kind == "revision":\n                return', '            if False:\n                return',
          "test_upgrade.Evidence.test_statement_has_the_line_of_its_operation"),
    Fault("exit code of a failure", "target.py", '"failed", 1\n', '"failed", 0\n', "test_errors.Errors.test_database_error_in_a_revision"),
    Fault("frames of others in the traceback", "places.py", "        if any(part in _INSTALLED for part in absolute.split(os.sep)):\n", "        if False:\n",
          "test_errors.Errors.test_frames_of_packages_are_left_out"),
    Fault("facts read in a transaction that stays open", "facts.py", "        dbapi.rollback()\n", "        pass\n",
          "test_facts.Facts.test_idle_connection_stays_idle"),
]
