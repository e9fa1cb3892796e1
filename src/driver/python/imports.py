"""Runs a function right after a module has been imported, before any importer sees it.

The DBAPIs are changed this way: a name that a project binds by
`from psycopg2 import connect` is the guarded one, and a DBAPI that the project does
not use is not imported.
"""
import sys


class _Loader:
    """A module's loader, with the function behind it."""

    def __init__(self, loader, function):
        self._loader = loader
        self._function = function

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # The module must not show that it was loaded in another way.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._function(module)


class Hooks:
    def __init__(self, functions):
        self.functions = functions
        self.busy = set()

    def install(self):
        for name in self.functions:
            if name in sys.modules:
                self.functions[name](sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        function = self.functions.get(name)
        if function is None or name in self.busy:
            return None
        self.busy.add(name)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec = find(name, path, target) if finder is not self and find else None
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader, function)
                    return spec
        finally:
            self.busy.discard(name)
        return None


def version(text):
    """The leading numbers of a version."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
