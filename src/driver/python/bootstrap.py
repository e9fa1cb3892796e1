"""Starts the driver: passed to the project's Python as `-c`, it loads the package from memory.

Descriptor 0 delivers one line with a length and then that many bytes of JSON:
`sources` (the text of each module of the package, this file included) and,
for the processes that the supervisor starts itself, `entry` and `request`.
Nothing is read beyond these bytes, since the rest belongs to the entry's main().
"""
import importlib
import importlib.machinery
import json
import linecache
import os
import sys


def _read(count):
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            sys.exit("mig-ci's driver: the channel ended before the driver's source was complete")
        data += part
    return data


class _Sources:
    """An importer for the package `mig_ci_driver`, whose modules are texts and no files."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        package, _, module = name.partition(".")
        if package != "mig_ci_driver" or (module and module not in self.sources):
            return None
        origin = "<mig-ci>/%s.py" % (module or "__init__")
        return importlib.machinery.ModuleSpec(name, self, origin=origin, is_package=not module)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        origin = module.__spec__.origin
        text = self.sources.get(module.__name__.partition(".")[2], "")
        # None as the time tells linecache that there is no file to compare with.
        linecache.cache[origin] = (len(text), None, text.splitlines(True), origin)
        exec(compile(text, origin, "exec"), module.__dict__)


def _start():
    line = b""
    while not line.endswith(b"\n"):
        line += _read(1)
    document = json.loads(_read(int(line)).decode("utf-8"))
    sys.meta_path.insert(0, _Sources(document["sources"]))
    entry = importlib.import_module("mig_ci_driver." + document.get("entry", "supervisor"))
    entry.main(document)


if __name__ == "__main__":
    _start()
