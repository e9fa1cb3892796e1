"""Answers questions about ini files and graphs of revisions with the real ConfigParser and the real Alembic.

Reads one JSON object from stdin and writes one to stdout: {"inis": [text, ...], "graphs": [{"files": [[name, text], ...],
"rows": [[row, ...], ...]}, ...]}.
"""

import configparser
import json
import os
import signal
import sys
import tempfile
import warnings
from unittest import mock

# Seconds of processor time for one order. Alembic needs milliseconds.
LIMIT = 0.25


def ini(text):
    """The sections and values of a file, or an error."""
    config = configparser.ConfigParser({"here": "/here"})
    with tempfile.NamedTemporaryFile("w", suffix=".ini", newline="", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            config.read([file.name], encoding="utf-8")
        except configparser.Error as error:
            return {"error": type(error).__name__, "line": getattr(error, "lineno", None)}
    sections = []
    for name in config.sections():
        options = {}
        for option in config.options(name):
            try:
                options[option] = config.get(name, option)
            except configparser.InterpolationError:
                options[option] = None
        sections.append([name, options])
    return {"sections": sections}


def ledger_after(rows, steps):
    """The rows that Alembic leaves after it has run these steps."""
    from alembic.runtime.migration import HeadMaintainer

    context = mock.MagicMock()
    context.as_sql = True
    heads = HeadMaintainer(context, tuple(rows))
    for step in steps:
        try:
            heads.update_to_step(step)
        except KeyError as error:
            return [f"KeyError {error} at {step.revision.revision}"]
    return sorted(heads.heads)


def order(script, rows):
    """The steps to the heads, or None if Alembic does not end."""
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
            return script._upgrade_revs("heads", tuple(rows))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except TimeoutError:
        return None


def upgrade(script, rows):
    """What Alembic does with a ledger of these rows."""
    from alembic.util import CommandError

    try:
        steps = order(script, rows)
    except CommandError as error:
        return {"error": str(error)}
    if steps is None:
        return {"error": "no end"}
    map_ = script.revision_map
    before = map_._get_ancestor_nodes(map_.get_revisions(tuple(rows)))
    complete = all(row in map_._revision_map for row in rows)
    return {
        "order": [step.revision.revision for step in steps],
        "applied": sorted(rev.revision for rev in before),
        # Alembic keeps a row that is only the beginning of an identifier, or fails to find it.
        "after": ledger_after(rows, steps) if complete else None,
    }


def graph(case):
    """What Alembic makes of a folder of revisions."""
    from alembic.script import ScriptDirectory

    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "versions"))
        for name, text in case["files"]:
            with open(os.path.join(folder, "versions", name), "w", encoding="utf-8") as file:
                file.write(text)
        script = ScriptDirectory(folder)
        try:
            map_ = script.revision_map
            heads = list(map_.heads)
        except Exception as error:
            return {"error": type(error).__name__, "message": str(error)}
        answer = {
            "heads": heads,
            "effective": list(map_._real_heads),
            "labels": {rev.revision: sorted(rev.branch_labels) for rev in map_._revision_map.values() if rev},
            "docs": {rev.revision: rev.doc for rev in map_._revision_map.values() if rev},
        }
        answer["upgrades"] = [upgrade(script, rows) for rows in case["rows"]]
        return answer


def stop(*_):
    """Ends a question that Alembic does not answer."""
    raise TimeoutError


def main():
    signal.signal(signal.SIGVTALRM, stop)
    warnings.simplefilter("ignore")
    listdir = os.listdir
    # Old releases read the files in the order of the file system.
    os.listdir = lambda *arguments: sorted(listdir(*arguments))
    asked = json.load(sys.stdin)
    answer = {
        "inis": [ini(text) for text in asked.get("inis", [])],
        "graphs": [graph(case) for case in asked.get("graphs", [])],
    }
    json.dump(answer, sys.stdout)


main()
