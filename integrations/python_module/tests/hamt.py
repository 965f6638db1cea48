# SPDX-License-Identifier: MIT
"""CPython's persistent map, as HamtTest wants it, over cppcontextvars.Context.

Hashing and comparing keys is done by dict here, as this engine's keys are variables, which have
numbers: HamtTest's collisions test nothing of it. What is put to the test is all else: versions that
share a map, setting and removing in a map that is shared, iterators, ==, and the collector.
"""
from cppcontextvars import Context, ContextVar


class Trunk:
    """A context in which versions of a map are made one after the other: each is a copy of it."""

    def __init__(self, items=()):
        self.context = Context()
        self.variables = {}  # by key, also of keys that were removed
        self.keys = {}  # by variable
        self.undo = {}  # by variable: the token that removes it
        self.versions = 0
        for key, value in items:
            self.set(key, value)

    def set(self, key, value):
        if key not in self.variables:
            variable = self.variables[key] = ContextVar("key")
            self.keys[variable] = key
        variable = self.variables[key]
        token = self.context.run(variable.set, value)
        if token.old_value is token.MISSING:
            self.undo[variable] = token

    def remove(self, key):
        variable = self.variables[key]
        self.context.run(variable.reset, self.undo.pop(variable))


class Iterator:
    def __init__(self, iterator, convert):
        self.iterator, self.convert = iterator, convert

    def __len__(self):
        return len(self.iterator)

    def __iter__(self):
        return self

    def __next__(self):
        return self.convert(next(self.iterator))


class hamt:
    def __init__(self, trunk=None):
        self.trunk = trunk or Trunk()
        self.context = self.trunk.context.copy()
        self.trunk.versions += 1
        self.version = self.trunk.versions

    def at_tip(self):
        """Returns a trunk that has just what this version has."""
        return self.trunk if self.version == self.trunk.versions else Trunk(self.items())

    def variable(self, key):
        """Returns the key's variable if it is bound, else None."""
        variable = self.trunk.variables.get(key)
        return variable if variable is not None and variable in self.context else None

    def set(self, key, value):
        variable = self.variable(key)
        if variable is not None and self.context[variable] is value:
            return self
        trunk = self.at_tip()
        trunk.set(key, value)
        return hamt(trunk)

    def delete(self, key):
        if self.variable(key) is None:
            return self
        trunk = self.at_tip()
        trunk.remove(key)
        return hamt(trunk)

    def get(self, key, default=None):
        variable = self.variable(key)
        return default if variable is None else self.context[variable]

    def __getitem__(self, key):
        variable = self.variable(key)
        if variable is None:
            raise KeyError(key)
        return self.context[variable]

    def __contains__(self, key):
        return self.variable(key) is not None

    def __len__(self):
        return len(self.context)

    def __eq__(self, other):
        """Compares contexts, after other's values were bound to this trunk's variables."""
        translated = Context()
        for key, value in other.items():
            translated.run(self.trunk.variables.get(key, ContextVar("foreign")).set, value)
        return self.context == translated

    def keys(self):
        return Iterator(self.context.keys(), self.trunk.keys.__getitem__)

    __iter__ = keys

    def values(self):
        return self.context.values()

    def items(self):
        return Iterator(self.context.items(), lambda item: (self.trunk.keys[item[0]], item[1]))
