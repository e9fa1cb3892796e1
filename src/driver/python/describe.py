"""The graph of revisions as the project's Alembic knows it, without a server."""
import os


def _revisions(script):
    found = []
    for revision in script.walk_revisions():
        found.append({"revision": revision.revision, "down_revisions": _list(revision.down_revision),
                      "branch_labels": sorted(_list(revision.branch_labels)), "depends_on": _list(revision.dependencies),
                      "path": os.path.abspath(revision.path), "description": revision.doc, "is_head": bool(revision.is_head)})
    return found


def _list(value):
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


def run(work, config):
    """Emits `graph`. If the configuration names no revisions, env.py is run: some set their folders there."""
    from alembic.script import ScriptDirectory
    script = ScriptDirectory.from_config(config)
    work.places.set_script_directory(script.dir)
    found, source = _revisions(script), "config"
    if not found:
        found, source = _from_env(work, config, script), "env"
    work.channel.emit("graph", revisions=found, heads=sorted(entry["revision"] for entry in found if entry["is_head"]), source=source)


def _from_env(work, config, script):
    """The revisions that are known after env.py has run, offline: it may set the option, or change the ScriptDirectory."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    failure = None
    try:
        with EnvironmentContext(config, script, fn=lambda heads, context: [], as_sql=True, destination_rev="heads"):
            script.run_env()
    except Exception as failed:
        # Without an offline branch env.py connects, which is refused here; the folders are set by then.
        failure = failed
    for candidate in (script, ScriptDirectory.from_config(config)):
        found = _revisions(_afresh(candidate))
        if found:
            return found
    if failure is not None and not work.target.guard.refusals:
        raise failure
    return []


def _afresh(script):
    """A ScriptDirectory keeps the folders and the map that it has found first; env.py may have changed the folders since."""
    from alembic.script.revision import RevisionMap
    script.__dict__.pop("_version_locations", None)
    script.revision_map = RevisionMap(script._load_revisions)
    return script
