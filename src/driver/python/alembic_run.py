"""Runs the project's Alembic: its own command line parser, its own commands, its own env.py.

The reference is the console script in a fresh interpreter. The only difference
is what is put around the commands: the options of the configuration are set in
the loaded Config, and the function that lists the steps is wrapped by a generator. Alembic resumes
that generator after the transaction context and the ledger's update of a step, so the step
ends there.
"""
import ast
import os
import sys

from . import errors
from . import facts
from . import urls
from .imports import version


class ProjectError(Exception):
    """What the project or its configuration has to change, found before Alembic runs."""

    mig_ci_kind = "alembic"


class MissingAlembic(ProjectError):
    mig_ci_kind = "import"


def command_line(settings, alembic_version):
    """The arguments of the console script before the command."""
    arguments = []
    configs = list(settings.get("configs") or [])
    if alembic_version < (1, 16):
        # Older versions know one ini file only, and would read pyproject.toml as one.
        ini = [path for path in configs if os.path.basename(path) != "pyproject.toml"]
        if configs and not ini:
            raise ProjectError("pyproject.toml holds Alembic's configuration, which needs Alembic 1.16 or newer; installed is %s"
                               % ".".join(map(str, alembic_version)))
        configs = ini
    for path in configs:
        arguments += ["-c", path]
    if settings.get("section"):
        arguments += ["-n", settings["section"]]
    return arguments + list(settings.get("arguments") or [])


class AlembicRun:
    def __init__(self, target):
        self.target = target
        self.channel = target.channel
        self.recorder = target.recorder
        self.places = target.places
        self.settings = target.run["alembic"]
        self.server = target.run.get("server") or {}
        self.unfinished = []
        # What is done with the Config instead of Alembic's command.
        self.instead = None

    def describe(self):
        from . import describe
        self.instead = lambda config: describe.run(self, config)
        self.command(["heads"])

    def upgrade(self, revisions):
        """One upgrade after the other, each with a Config of its own, as separate commands would have."""
        for revision in revisions:
            self.command(["upgrade", revision])

    def command(self, command):
        import alembic
        import alembic.command
        arguments = command_line(self.settings, version(alembic.__version__)) + command
        sys.argv[1:] = arguments
        line = self._command_line_class()()
        original = alembic.command.EnvironmentContext
        alembic.command.EnvironmentContext = self._environment
        try:
            line.main(arguments)
        finally:
            alembic.command.EnvironmentContext = original

    def _command_line_class(self):
        from alembic.config import CommandLine
        run = self

        class Line(CommandLine):
            """Alembic's command line, except that failures reach the driver as they are."""

            def __init__(self):
                CommandLine.__init__(self, prog="alembic")

            def run_cmd(self, config, options):
                run.prepare(config)
                if run.instead is not None:
                    run.instead(config)
                    return
                function, positional, keywords = options.cmd
                function(config, *[getattr(options, name, None) for name in positional],
                         **{name: getattr(options, name, None) for name in keywords})

        return Line

    def prepare(self, config):
        """Sets what mig-ci's configuration says in a loaded Config, and the address of our server."""
        options = self.settings.get("options") or {}
        section = config.config_ini_section
        toml = getattr(config, "toml_file_name", None)
        has_toml = bool(toml and os.path.exists(toml) and config.toml_alembic_config)
        has_ini = bool(config.config_file_name and os.path.exists(config.config_file_name))
        if self.settings.get("configs") and not has_ini and not has_toml:
            raise ProjectError("none of the configuration files can be read: %s" % ", ".join(self.settings["configs"]))
        if not has_ini:
            if not self.settings.get("configs"):
                # A project without files makes its Config in code, where no file name is known.
                config.config_file_name = None
        elif not config.file_config.has_section(section) and not has_toml and "script_location" not in options:
            defaults = config.file_config.defaults()
            if "script_location" not in defaults or section != "alembic":
                raise ProjectError("%s has no section [%s]; its sections are: %s" % (
                    config.config_file_name, section, ", ".join(config.file_config.sections()) or "none"))
        for name, value in options.items():
            config.set_main_option(name, str(value).replace("%", "%%"))
        self.target.allowed_databases.update(urls.override(config, self.server, self.settings.get("section_urls") or {}, ProjectError))

    def _environment(self, config, script, **options):
        """Takes the place of EnvironmentContext in Alembic's commands; wraps the list of steps.

        A subclass is impossible: Alembic looks up by the exact class what it
        publishes in `alembic.context`. Attributes of the instance are found.
        """
        from alembic.runtime.environment import EnvironmentContext
        self.places.set_script_directory(script.dir)
        function = options.get("fn")
        state = {"configure": None, "steps": 0}
        if function is not None:
            def steps(heads, context):
                found = function(heads, context)
                return self._steps(found, context, state)
            options["fn"] = steps
        environment = EnvironmentContext(config, script, **options)
        configure, run_migrations = environment.configure, environment.run_migrations

        def configured(*args, **kwargs):
            state["configure"] = self.places.current()
            return configure(*args, **kwargs)

        def run(**kwargs):
            try:
                return run_migrations(**kwargs)
            except BaseException as error:
                self._left(error)
                raise
            finally:
                self.target.set_revision(None)

        environment.configure = configured
        environment.run_migrations = run
        return environment

    def _left(self, error):
        """A step ended by an exception. env.py may catch it, so that nothing else would tell."""
        if self.channel.foreign():
            return
        revision = self.recorder.revision
        self.target.failed_step = self.target.failed_step or revision
        described = errors.describe(error, self.places, revision, self.recorder.sql_bytes)
        if len(self.unfinished) < 100:
            # A number instead of the exception: keeping it would keep the frames, and with them env.py's connections.
            try:
                error._mig_ci_step = len(self.unfinished)
            except AttributeError:
                pass
            self.unfinished.append(described)

    def caught(self, error):
        """The failures of steps that env.py caught: those that `error` does not come from."""
        fatal = set()
        for cause in errors.chain(errors.unwrap(error)) if error is not None else ():
            fatal.add(getattr(cause, "_mig_ci_step", None))
        return [described for number, described in enumerate(self.unfinished) if number not in fatal]

    def _steps(self, steps, context, state):
        steps = list(steps)
        self.channel.emit("configured", **facts.read(context, self.target, state["configure"]))
        self.channel.emit("plan", revisions=[_revision_of(step) for step in steps])
        for step in steps:
            revision = _revision_of(step)
            self.target.set_revision(revision)
            began = self.target.now()
            self.channel.emit("step_begin", **_step_fields(step))
            yield step
            self.target.boundary()
            self.channel.emit("step_end", revision=revision, duration_ms=self.target.since(began))
            self.target.set_revision(None)


def _script_of(step):
    return getattr(step, "revision", None)


def _revision_of(step):
    script = _script_of(step)
    return getattr(script, "revision", None) or str(step)


def _tuple(value):
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _step_fields(step):
    script = _script_of(step)
    path = getattr(script, "path", None)
    return {"revision": _revision_of(step), "down_revisions": _tuple(getattr(script, "down_revision", None)),
            "path": os.path.abspath(path) if path else None, "description": getattr(script, "doc", None),
            "is_merge": bool(getattr(script, "is_merge_point", False)), "is_empty": is_empty(path)}


def is_empty(path):
    """Whether the body of `upgrade` is only `pass` or a docstring, by its source; False if there is no source."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, TypeError):
        return False
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    if not found:
        return False
    for node in found[-1].body:
        constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        nothing = isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant))
        if not (constant or nothing or isinstance(node, ast.Pass)):
            return False
    return True
