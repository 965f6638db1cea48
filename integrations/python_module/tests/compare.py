# SPDX-License-Identifier: MIT
"""Runs random programs with the built-in contextvars and with cppcontextvars, and compares all that happens.

    compare.py [--operations N | --seconds S] [--seed N] [--module NAME]
    compare.py --alone …    runs them with the module only, with the collector at every allocation

A program is a list of operations, whose operands are numbers that choose among the objects at hand.
What each returned or raised is compared, and after each, which objects have died. The environment's
CONTEXTVARS_SEED repeats a run; CONTEXTVARS_COMPARE_OPERATIONS says how long it is.
"""
import _contextvars as builtin
import argparse
import copy
import gc
import importlib
import os
import pickle
import queue
import random
import re
import sys
import threading
import time
import types
import weakref

ADDRESS = re.compile(r"0x[0-9a-f]+")
QUALIFIED = re.compile(r"\b(_contextvars|cppcontextvars|contextvars)\.")


def normalised(text):
    return QUALIFIED.sub("", ADDRESS.sub("0x", text))


class Unwind(Exception):
    """Leaves the blocks of the program that it is raised in."""


class UnwindAll(BaseException):
    pass


class Value:
    """An object whose death is seen."""

    __slots__ = ("label", "world", "links", "armed", "__weakref__")

    def __init__(self, world):
        self.label = world.label("value")
        self.world = world
        self.links = []
        self.armed = False
        world.watch(self, self.label)

    def __repr__(self):
        return self.label


class Deleted(Value):
    """Sets a variable of its own when it dies, and looks at the world."""

    __slots__ = ("own",)

    def __init__(self, world):
        super().__init__(world)
        self.own = world.module.ContextVar(f"own {self.label}")

    def __del__(self):
        world = self.world
        if world.over:
            return
        token = self.own.set(self.label)
        self.own.set(2)
        world.dead.append((self.label, self.own.get(), token.var is self.own, world.peek()))
        self.own.reset(token)
        world.module.Context().run(self.own.set, 1)
        for context in world.contexts[-2:]:
            world.attempt(context.run, self.own.set, 3)


class Returning(Value):
    """Comes back once when it would die."""

    __slots__ = ("returned",)

    def __del__(self):
        if not self.world.over and not hasattr(self, "returned"):
            self.returned = True
            self.world.dead.append(self.label + " came back")
            self.world.back.append(self)


class Equal(Value):
    """Equal to its kind, after it looked at the world and changed it."""

    __slots__ = ()

    def __eq__(self, other):
        if not isinstance(other, Equal):
            return NotImplemented
        world = self.world
        world.log.append(("__eq__", world.peek()))
        if self.armed and world.contexts and world.variables:
            world.attempt(world.contexts[-1].run, world.variables[-1].set, 7)
            world.attempt(world.variables[0].set, 8)
        return True

    __hash__ = None


class Unequal(Value):
    __slots__ = ()

    def __eq__(self, other):
        return False

    __hash__ = None


class Odd(Value):
    """Its equality has no truth value."""

    __slots__ = ()

    def __eq__(self, other):
        return [] if self.armed else self

    def __bool__(self):
        raise ZeroDivisionError("odd")


class Raising(Value):
    __slots__ = ()

    def __eq__(self, other):
        raise ZeroDivisionError("__eq__ " + self.label)

    def __hash__(self):
        raise ZeroDivisionError("__hash__")

    def __repr__(self):
        if self.armed:
            raise ZeroDivisionError("__repr__ " + self.label)
        return self.label


class Shown(Value):
    """Its repr looks at the world and changes it."""

    __slots__ = ()

    def __repr__(self):
        world = self.world
        world.log.append(("__repr__", world.peek()))
        if self.armed and world.variables:
            world.attempt(world.variables[-1].set, 9)
        return self.label


KINDS = [Value, Value, Deleted, Returning, Equal, Unequal, Odd, Raising, Shown]


class Name(str):
    """A name whose death, and with it the variable's, is seen."""

    __slots__ = ("__weakref__", "__dict__")

    def __hash__(self):
        world = getattr(self, "world", None)
        if world is not None:
            world.log.append("__hash__")
            world.attempt(world.module.copy_context)
        return super().__hash__()


class Worker:
    """A thread that does what it is told while the others wait."""

    def __init__(self):
        self.inbox, self.outbox = queue.SimpleQueue(), queue.SimpleQueue()
        self.depth = 0
        self.busy = False
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    def loop(self):
        while True:
            function = self.inbox.get()
            if function is None:
                return
            if isinstance(function, tuple):  # enter a context, and go on in there
                (context,) = function
                del function
                entered = []
                try:
                    context.run(self.nested, entered)
                    del context
                    result = "left"
                except RuntimeError as error:
                    del context
                    result = normalised(str(error))
                self.outbox.put(result)
                continue
            function()
            del function
            self.outbox.put(None)

    def nested(self, entered):
        self.depth += 1
        self.outbox.put("entered")
        self.loop()
        self.depth -= 1

    def tell(self, message):
        self.busy = True
        self.inbox.put(message)
        del message
        result = self.outbox.get()
        self.busy = False
        return result

    def leave(self):
        self.inbox.put(None)
        return self.outbox.get()

    def end(self):
        while self.depth:
            self.leave()
        self.inbox.put(None)
        self.thread.join()


def subclass(base):
    return type("Sub", (base,), {})


def case_mapping(x):
    match x:
        case {**rest}:
            return rest
    return "no mapping"


def misuses():
    """Functions of the module, a variable, a context, a token and a value."""
    table = [
        lambda m, v, c, t, x: m.ContextVar(),
        lambda m, v, c, t, x: m.ContextVar(1),
        lambda m, v, c, t, x: m.ContextVar(x),
        lambda m, v, c, t, x: m.ContextVar(b"a"),
        lambda m, v, c, t, x: m.ContextVar(None, default=x),
        lambda m, v, c, t, x: m.ContextVar("a", 5),
        lambda m, v, c, t, x: m.ContextVar("a", 5, 6, default=x),
        lambda m, v, c, t, x: m.ContextVar(name="a"),
        lambda m, v, c, t, x: m.ContextVar(name="a", default=x),
        lambda m, v, c, t, x: m.ContextVar(default=x),
        lambda m, v, c, t, x: m.ContextVar("a", foo=x),
        lambda m, v, c, t, x: m.ContextVar("a", default=x, foo=1),
        lambda m, v, c, t, x: m.ContextVar("a", **{"defaul": x}),
        lambda m, v, c, t, x: m.ContextVar("").name,
        lambda m, v, c, t, x: m.ContextVar("\ud800\0").name,
        lambda m, v, c, t, x: m.ContextVar("a", default=None).get(),
        lambda m, v, c, t, x: m.ContextVar.__new__(m.ContextVar),
        lambda m, v, c, t, x: m.ContextVar.__new__(m.Context, "a"),
        lambda m, v, c, t, x: m.ContextVar.__new__(int, "a"),
        lambda m, v, c, t, x: m.ContextVar.__new__(),
        lambda m, v, c, t, x: object.__new__(m.ContextVar),
        lambda m, v, c, t, x: object.__new__(m.Context),
        lambda m, v, c, t, x: object.__new__(m.Token),
        lambda m, v, c, t, x: v.__init__(1, 2, foo=3),
        lambda m, v, c, t, x: v.get(1, 2),
        lambda m, v, c, t, x: v.get(default=x),
        lambda m, v, c, t, x: v.get(x, foo=x),
        lambda m, v, c, t, x: v.get(**{}) is v.get(),
        lambda m, v, c, t, x: v.set(),
        lambda m, v, c, t, x: v.set(1, 2),
        lambda m, v, c, t, x: v.set(value=x),
        lambda m, v, c, t, x: v.reset(),
        lambda m, v, c, t, x: v.reset(t, t),
        lambda m, v, c, t, x: v.reset(token=t),
        lambda m, v, c, t, x: v.reset(x),
        lambda m, v, c, t, x: v.reset(None),
        lambda m, v, c, t, x: v.reset(v),
        lambda m, v, c, t, x: v.reset(m.Token),
        lambda m, v, c, t, x: v.reset(m.Token.MISSING),
        lambda m, v, c, t, x: setattr(v, "name", x),
        lambda m, v, c, t, x: delattr(v, "name"),
        lambda m, v, c, t, x: setattr(v, "foo", x),
        lambda m, v, c, t, x: v.foo,
        lambda m, v, c, t, x: v.__dict__,
        lambda m, v, c, t, x: setattr(v, "__class__", int),
        lambda m, v, c, t, x: setattr(v, "get", x),
        lambda m, v, c, t, x: v(),
        lambda m, v, c, t, x: len(v),
        lambda m, v, c, t, x: iter(v),
        lambda m, v, c, t, x: v < v,
        lambda m, v, c, t, x: (v == v, v != v, v == 1, v.__eq__(x)),
        lambda m, v, c, t, x: bool(v),
        lambda m, v, c, t, x: hash(v) == (hash(v.name) ^ object.__hash__(v)) or hash(v) == -2,
        lambda m, v, c, t, x: {v: 1}[v],
        lambda m, v, c, t, x: weakref.ref(v),
        lambda m, v, c, t, x: weakref.ref(t),
        lambda m, v, c, t, x: weakref.ref(c)() is c,
        lambda m, v, c, t, x: weakref.proxy(c).get(v, "no") is c.get(v, "no"),
        lambda m, v, c, t, x: weakref.WeakValueDictionary({1: c})[1] is c,
        lambda m, v, c, t, x: weakref.ref(c.keys()),
        lambda m, v, c, t, x: pickle.dumps(v, 0),
        lambda m, v, c, t, x: pickle.dumps(v),
        lambda m, v, c, t, x: pickle.dumps(c, 1),
        lambda m, v, c, t, x: pickle.dumps(c),
        lambda m, v, c, t, x: pickle.dumps(t, 0),
        lambda m, v, c, t, x: pickle.dumps(t),
        lambda m, v, c, t, x: pickle.dumps(t.MISSING),
        lambda m, v, c, t, x: pickle.dumps(c.keys()),
        lambda m, v, c, t, x: copy.copy(v),
        lambda m, v, c, t, x: copy.copy(c),
        lambda m, v, c, t, x: copy.copy(t),
        lambda m, v, c, t, x: copy.copy(t.MISSING),
        lambda m, v, c, t, x: copy.deepcopy(v),
        lambda m, v, c, t, x: copy.deepcopy(c),
        lambda m, v, c, t, x: copy.deepcopy(t),
        lambda m, v, c, t, x: v.__reduce__(),
        lambda m, v, c, t, x: subclass(m.ContextVar),
        lambda m, v, c, t, x: subclass(m.Context),
        lambda m, v, c, t, x: subclass(m.Token),
        lambda m, v, c, t, x: subclass(type(c.keys())),
        lambda m, v, c, t, x: setattr(m.ContextVar, "foo", 1),
        lambda m, v, c, t, x: setattr(m.Context, "run", 1),
        lambda m, v, c, t, x: setattr(m.Token, "MISSING", 1),
        lambda m, v, c, t, x: delattr(m.Token, "MISSING"),
        lambda m, v, c, t, x: m.ContextVar.foo,
        lambda m, v, c, t, x: m.ContextVar[int],
        lambda m, v, c, t, x: (m.ContextVar[x].__args__[0] is x, m.ContextVar[x].__origin__ is m.ContextVar),
        lambda m, v, c, t, x: type(m.Token[int, str]) is types.GenericAlias,
        lambda m, v, c, t, x: m.ContextVar[int]("a").name,
        lambda m, v, c, t, x: m.Token[int](),
        lambda m, v, c, t, x: m.Context[int],
        lambda m, v, c, t, x: v[int],
        lambda m, v, c, t, x: m.ContextVar.__class_getitem__(),
        lambda m, v, c, t, x: m.Token(),
        lambda m, v, c, t, x: m.Token(1, foo=2),
        lambda m, v, c, t, x: m.Token.__new__(m.Token, x),
        lambda m, v, c, t, x: t.MISSING is m.Token.MISSING,
        lambda m, v, c, t, x: (repr(t.MISSING), type(t.MISSING).__name__, bool(t.MISSING)),
        lambda m, v, c, t, x: type(t.MISSING)(),
        lambda m, v, c, t, x: setattr(t, "var", v),
        lambda m, v, c, t, x: delattr(t, "old_value"),
        lambda m, v, c, t, x: setattr(t, "old_value", x),
        lambda m, v, c, t, x: setattr(t, "foo", x),
        lambda m, v, c, t, x: t.__dict__,
        lambda m, v, c, t, x: hash(t),
        lambda m, v, c, t, x: {t},
        lambda m, v, c, t, x: (t == t, t != t, t == 1),
        lambda m, v, c, t, x: t < t,
        lambda m, v, c, t, x: iter(t),
        lambda m, v, c, t, x: t(),
        lambda m, v, c, t, x: m.Context(1),
        lambda m, v, c, t, x: m.Context(a=1),
        lambda m, v, c, t, x: m.Context(c),
        lambda m, v, c, t, x: len(m.Context(**{})),
        lambda m, v, c, t, x: m.Context.__new__(m.Context, 1),
        lambda m, v, c, t, x: m.Context.__new__(m.ContextVar),
        lambda m, v, c, t, x: c.__init__(1, 2),
        lambda m, v, c, t, x: c[1],
        lambda m, v, c, t, x: c[x],
        lambda m, v, c, t, x: c["n1"],
        lambda m, v, c, t, x: c[None],
        lambda m, v, c, t, x: x in c,
        lambda m, v, c, t, x: t in c,
        lambda m, v, c, t, x: c.get(x),
        lambda m, v, c, t, x: c.get(t, x),
        lambda m, v, c, t, x: c.get(),
        lambda m, v, c, t, x: c.get(v, 1, 2),
        lambda m, v, c, t, x: c.get(v, default=x),
        lambda m, v, c, t, x: c.get(key=v),
        lambda m, v, c, t, x: c.__setitem__,
        lambda m, v, c, t, x: operator_set(c, v, x),
        lambda m, v, c, t, x: operator_delete(c, v),
        lambda m, v, c, t, x: c | c,
        lambda m, v, c, t, x: c + c,
        lambda m, v, c, t, x: c < c,
        lambda m, v, c, t, x: c >= m.Context(),
        lambda m, v, c, t, x: (c == {}, c != {}, c == [x], c.__eq__(1), c == v),
        lambda m, v, c, t, x: hash(c),
        lambda m, v, c, t, x: {c: 1},
        lambda m, v, c, t, x: reversed(c),
        lambda m, v, c, t, x: next(c),
        lambda m, v, c, t, x: c.keys(1),
        lambda m, v, c, t, x: c.items(foo=1),
        lambda m, v, c, t, x: c.values(None),
        lambda m, v, c, t, x: c.copy(1),
        lambda m, v, c, t, x: c.copy(deep=True),
        lambda m, v, c, t, x: c.update({}),
        lambda m, v, c, t, x: c.clear(),
        lambda m, v, c, t, x: c.pop(v),
        lambda m, v, c, t, x: setattr(c, "foo", x),
        lambda m, v, c, t, x: c.__dict__,
        lambda m, v, c, t, x: c(),
        lambda m, v, c, t, x: case_mapping(c),
        lambda m, v, c, t, x: {**c},
        lambda m, v, c, t, x: dict(c) == dict(c.items()),
        lambda m, v, c, t, x: type(iter(c)).__name__ + type(c.values()).__name__ + type(c.items()).__name__,
        lambda m, v, c, t, x: (repr(c), repr(c.keys()), repr(c.values()), repr(iter(c))),
        lambda m, v, c, t, x: (str(v), str(t)),
        lambda m, v, c, t, x: hex(id(v)) in repr(v),
        lambda m, v, c, t, x: hex(id(t)) in repr(t),
        lambda m, v, c, t, x: hex(id(c)) in repr(c),
        lambda m, v, c, t, x: type(c.keys())(),
        lambda m, v, c, t, x: iter(it := c.items()) is it,
        lambda m, v, c, t, x: c.keys()[0],
        lambda m, v, c, t, x: c.run(),
        lambda m, v, c, t, x: c.run(1),
        lambda m, v, c, t, x: c.run(None, 1, a=2),
        lambda m, v, c, t, x: c.run(x),
        lambda m, v, c, t, x: c.run(callable=len),
        lambda m, v, c, t, x: c.run(function_of, 1, 2, self=3, callable=4),
        lambda m, v, c, t, x: c.run(dict, self=c is None, callable=1),
        lambda m, v, c, t, x: c.run(*[divmod, 1], **{}),
        lambda m, v, c, t, x: c.run(divmod, 7, 2),
        lambda m, v, c, t, x: c.run(divmod, 1, 0),
        lambda m, v, c, t, x: c.run(c.run, len),
        lambda m, v, c, t, x: c.run(m.copy_context) == c,
        lambda m, v, c, t, x: c.run(m.Context().run, c.run, len),
        lambda m, v, c, t, x: c.run(sys.exit, 3),
        lambda m, v, c, t, x: c.run(subclass, int).__name__,
        lambda m, v, c, t, x: m.copy_context(1),
        lambda m, v, c, t, x: m.copy_context(foo=1),
        lambda m, v, c, t, x: (m.copy_context() == m.copy_context(), m.copy_context() is m.copy_context()),
        lambda m, v, c, t, x: m.ContextVar.get(c),
        lambda m, v, c, t, x: m.ContextVar.get(*()),  # 3.11 crashes where it specialises such a call without arguments
        lambda m, v, c, t, x: m.ContextVar.set(t, 1),
        lambda m, v, c, t, x: m.Context.run(v, len),
        lambda m, v, c, t, x: m.Context.__len__(v),
        lambda m, v, c, t, x: m.Context.__contains__(c),
        lambda m, v, c, t, x: m.Token.var.__get__(v),
        lambda m, v, c, t, x: m.Token.var.__set__(t, v),
        lambda m, v, c, t, x: (gc.is_tracked(v), gc.is_tracked(c), gc.is_tracked(t)),
        lambda m, v, c, t, x: gc.is_tracked(m.ContextVar("x")),
        lambda m, v, c, t, x: gc.is_tracked(m.ContextVar("x", default=1)),
        lambda m, v, c, t, x: gc.is_tracked(m.ContextVar("x", default=[])),
        lambda m, v, c, t, x: sorted({type(o).__name__ for o in gc.get_referents(t)} - {"type"}),
        lambda m, v, c, t, x: v.get.__name__ + c.run.__name__ + v.set.__qualname__ + m.copy_context.__name__,
        lambda m, v, c, t, x: repr(m.copy_context),
        lambda m, v, c, t, x: repr(v.get),
        lambda m, v, c, t, x: (m.ContextVar.__name__, m.Context.__qualname__, repr(m.Token)),
    ]
    return table


def operator_set(context, variable, value):
    context[variable] = value


def operator_delete(context, variable):
    del context[variable]


def function_of(*arguments, **named):
    return arguments, sorted(named.items())


MISUSES = misuses()


class World:
    """The objects that a program has made, and what happened."""

    alone = False  # whether nothing is compared

    def __init__(self, module, operations):
        self.module = module
        self.operations = operations
        self.at = 0
        self.depth = 0
        self.over = self.thread_ends = False
        self.labels = 0
        self.log = []
        self.dead, self.back = [], []
        self.watched = {}  # weak references by label
        self.context_labels = {}  # by id, of contexts that are alive
        self.variables, self.contexts, self.tokens, self.values = [], [], [], []
        self.generators, self.iterators, self.workers = [], [], {}

    # What is seen.

    def label(self, kind):
        self.labels += 1
        return f"{kind} {self.labels}"

    def watch(self, object, label):
        def dies(_):
            if self.watched.pop(label, None) is not None:
                self.dead.append(label)

        self.watched[label] = weakref.ref(object, dies)

    def attempt(self, function, *arguments):
        """Calls what may fail in either module, and logs how."""
        try:
            return function(*arguments)
        except Exception as error:
            self.log.append(type(error).__name__)

    def peek(self):
        """What code sees that is called back."""
        if self.thread_ends or not self.variables:
            return None  # at a thread's end the built-in module finds in a cache what is no longer there
        variable = self.variables[len(self.variables) // 2]
        value = variable.get("unset")
        return self.describe(value), variable in self.module.copy_context()

    def describe(self, x, depth=2):
        kind = type(x)
        if x is None or kind in (bool, int, str, float):
            return normalised(x) if kind is str else x
        if isinstance(x, Value):
            return x.label
        if isinstance(x, Name):
            return "name " + str.__str__(x)
        if kind is self.module.ContextVar:
            return "var " + str.__str__(x.name)
        if kind is self.module.Context:
            return self.context_labels.get(id(x), "a context")
        if kind is self.module.Token:
            return ("token", self.describe(x.var), self.describe(x.old_value, depth - 1) if depth else "…")
        if kind in (tuple, list) and depth:
            return tuple(self.describe(y, depth - 1) for y in x)
        if kind is type or kind is types.GenericAlias:
            return normalised(repr(x))
        if x is self.module.Token.MISSING:
            return "MISSING"
        if x is NotImplemented:
            return "NotImplemented"
        return normalised(kind.__name__)

    def keep(self, context):
        label = self.label("context")
        at = id(context)
        self.context_labels[at] = label

        def dies(_):
            if self.watched.pop(label, None) is not None:
                del self.context_labels[at]
                self.dead.append(label)

        self.watched[label] = weakref.ref(context, dies)
        self.contexts.append(context)
        return label

    # Running.

    def run(self):
        while self.at < len(self.operations):
            self.step()
        self.end()
        return self.log

    def step(self):
        name, a, b, c = self.operations[self.at]
        self.at += 1
        log = self.log
        try:
            log.append((name, self.describe(getattr(self, name)(a, b, c))))
        except (Unwind, UnwindAll):
            if self.depth == 0:
                log.append("unwound")
            else:
                raise
        except BaseException as error:
            try:
                text = normalised(str(error))
            except ZeroDivisionError as of_repr:
                text = str(of_repr)
            if error.args and type(error) in (LookupError, KeyError):
                text = self.describe(error.args[0]), text
            log.append((name, type(error).__name__, text))
            del error
        finally:
            self.see_dead()

    def see_dead(self):
        # Of several that die at the same time, the order is nobody's.
        if self.back:
            self.values += sorted(self.back, key=lambda value: value.label)
            self.back.clear()
        if self.dead:
            dead, self.dead = self.dead, []
            self.log.append(("died", sorted(map(repr, dead))))

    def block(self, length):
        end = min(self.at + length, len(self.operations))
        self.depth += 1
        try:
            while self.at < end:
                self.step()
        finally:
            self.depth -= 1

    def end(self):
        """Lets go of everything, one kind after the other, and says what outlives it."""
        for number, worker in sorted(self.workers.items()):
            self.end_worker(worker)
            self.see_dead()
        for kind in ("workers", "generators", "iterators", "tokens", "values", "contexts", "variables"):
            getattr(self, kind).clear()
            self.see_dead()
            gc.collect()
            self.log.append(kind)
            self.see_dead()
        while self.values:  # those that came back
            self.values.clear()
            gc.collect()
            self.see_dead()

    def pick(self, pool, number):
        return pool[number % len(pool)] if pool else None

    def variable(self, number):
        return self.variables[number % len(self.variables)] if self.variables else self.new_variable(number, 0, 0)

    def context(self, number):
        if not self.contexts:
            self.keep(self.module.Context())
        return self.contexts[number % len(self.contexts)]

    def token(self, number):
        return self.tokens[number % len(self.tokens)] if self.tokens else None

    def value(self, number):
        kind, number = number % 8, number // 8
        if kind < 2 and self.values:
            return self.pick(self.values, number)
        if kind == 2:
            return [None, 0, 1, "text", (), 1.5, True, "x" * 50][number % 8]
        if kind == 3:
            return self.pick([self.variables, self.contexts, self.tokens][number % 3], number // 3)
        value = KINDS[number % len(KINDS)](self)
        number //= len(KINDS)
        value.armed = bool(number & 1)
        if number & 6 == 6:
            self.values.append(value)
        return value

    # The operations.

    def new_variable(self, a, b, c):
        name = f"n{len(self.log)}"
        if a & 1:
            text, name = name, Name(name)
            self.watch(name, "name " + text)
            if a & 2:
                name.world = self
        if b % 3 == 0:
            variable = self.module.ContextVar(name, default=self.value(c))
        else:
            variable = self.module.ContextVar(name)
        if len(self.variables) > (40 if a & 4 else 8):
            self.variables[c % len(self.variables)] = variable
        else:
            self.variables.append(variable)
        return variable

    def many_variables(self, a, b, c):
        """Grows a context beyond the sizes at which maps change their form."""
        for i in range(a % 70):
            self.variables.append(self.module.ContextVar(f"m{len(self.log)}.{i}"))
            if b & 1:
                self.variables[-1].set(i)

    def get(self, a, b, c):
        return self.variable(a).get()

    def get_or(self, a, b, c):
        return self.variable(a).get(self.value(b))

    def set(self, a, b, c):
        self.tokens.append(self.variable(a).set(self.value(b)))
        return self.tokens[-1]

    def set_again(self, a, b, c):
        """The same value: the token is a new one."""
        variable = self.variable(a)
        tokens = variable.set(1), variable.set(1)
        return tokens[0] is tokens[1], tokens

    def set_only(self, a, b, c):
        self.variable(a).set(self.value(b))

    def reset(self, a, b, c):
        token = self.token(a)
        return (token.var if token else self.variable(b)).reset(token)

    def reset_last(self, a, b, c):
        token = self.tokens.pop() if self.tokens else None
        return (token.var if token else self.variable(b)).reset(token)

    def reset_any(self, a, b, c):
        return self.variable(b).reset(self.token(a))

    def set_and_reset(self, a, b, c):
        variable = self.variable(a)
        token = variable.set(self.value(b))
        return variable.reset(token), token

    def new_context(self, a, b, c):
        return self.keep(self.module.Context())

    def copy_context(self, a, b, c):
        return self.keep(self.module.copy_context())

    def copy(self, a, b, c):
        return self.keep(self.context(a).copy())

    def run_block(self, a, b, c):
        return self.context(a).run(self.block, b % 12)

    def run_in_copy(self, a, b, c):
        context = self.module.copy_context()
        context.run(self.block, b % 12)
        return len(context)

    def run_caught(self, a, b, c):
        try:
            return self.context(a).run(self.block, b % 12)
        except (Unwind, UnwindAll) as error:
            return type(error).__name__

    def run_set(self, a, b, c):
        self.tokens.append(self.context(a).run(self.variable(b).set, self.value(c)))
        return self.tokens[-1]

    def run_reset(self, a, b, c):
        token = self.token(b)
        return self.context(a).run((token.var if token else self.variable(c)).reset, token)

    def run_get(self, a, b, c):
        return self.context(a).run(self.variable(b).get, c)

    def leave_blocks(self, a, b, c):
        raise (UnwindAll if a & 1 else Unwind)()

    def item(self, a, b, c):
        return self.context(a)[self.variable(b)]

    def contains(self, a, b, c):
        return self.variable(b) in self.context(a)

    def context_get(self, a, b, c):
        context, variable = self.context(a), self.variable(b)
        return context.get(variable), context.get(variable, c)

    def size(self, a, b, c):
        context = self.context(a)
        return len(context), bool(context), len(context.keys()), len(context.values()), len(context.items())

    def elements(self, a, b, c):
        """Everything, sorted: the order is nobody's."""
        context = self.context(a)
        keys, values, items = list(context.keys()), list(context.values()), list(context.items())
        same = all(context[k] is v for k, v in items) and list(context) == keys and len(items) == len(context)
        same = same and [k for k, _ in items] == keys and all(v is w for v, (_, w) in zip(values, items))
        return same, str(sorted(repr(self.describe(item)) for item in items))

    def new_iterator(self, a, b, c):
        context = self.context(a)
        iterator = [context.keys, context.values, context.items, context.__iter__][b % 4]()
        self.iterators.append([iterator, []])
        if len(self.iterators) > 4:
            del self.iterators[0]
        return len(iterator)

    def advance(self, a, b, c):
        pair = self.pick(self.iterators, a)
        if pair is None:
            return
        iterator, seen = pair
        for _ in range(b % 5):
            element = next(iterator, pair)
            if element is pair:
                return len(iterator), str(sorted(seen))
            seen.append(repr(self.describe(element)))
        return len(iterator)

    def in_iterator(self, a, b, c):
        keys = self.context(a).keys()
        return self.variable(b) in keys, list(self.module.Context().keys())

    def equal(self, a, b, c):
        one, other = self.context(a), self.context(b)
        if self.alone:
            return one == other, one != other
        if c & 3:  # of one kind, but not the same
            variable, kind = self.variable(b), KINDS[c // 4 % len(KINDS)]
            pair = kind(self), kind(self)
            for value in pair:
                value.armed = bool(c & 64)
            one, other = one.copy(), one.copy()
            one.run(variable.set, pair[0])
            other.run(variable.set, pair[c & 1])
            del pair, value
        # In which order elements are compared is nobody's: so at most one may show it.
        decisive = 0
        for variable, value in one.items():
            match = other.get(variable, self)
            if match is value:
                continue
            if type(value) is type(match) is self.module.Context:
                return "contexts in contexts"  # of whose elements the same holds
            both_plain = not isinstance(value, Value) and not isinstance(match, Value)
            decisive += not (both_plain and value == match)
        if decisive > 1 and len(one) == len(other):
            return "several differ"
        # The copies: of a map that is compared, older interpreters do not take hold.
        with_copies = one.copy(), other.copy()
        result = one == other, one != other
        del with_copies
        return result

    def token_parts(self, a, b, c):
        token = self.token(a)
        return token and (token.var, token.old_value, token.old_value is self.module.Token.MISSING)

    def show(self, a, b, c):
        return repr(self.pick([self.variables, self.tokens, self.contexts, self.tokens][a % 4], b))

    def forget_variable(self, a, b, c):
        if self.variables:
            del self.variables[a % len(self.variables)]

    def forget_context(self, a, b, c):
        if self.contexts:
            del self.contexts[a % len(self.contexts)]

    def forget_token(self, a, b, c):
        if self.tokens:
            del self.tokens[a % len(self.tokens)]

    def forget_value(self, a, b, c):
        if self.values:
            del self.values[a % len(self.values)]

    def forget_many(self, a, b, c):
        pool = [self.variables, self.contexts, self.tokens, self.values][a % 4]
        del pool[b % (len(pool) + 1) :]

    def link(self, a, b, c):
        """Values that refer to what refers to them."""
        value = self.pick(self.values, a)
        if value is not None:
            value.links.append(self.pick([self.variables, self.contexts, self.tokens, self.values][b % 4], b // 4))
            if c & 1:
                self.attempt(self.context(c // 2).run, self.variable(b // 4).set, value)

    def cycles(self, a, b, c):
        """The three that the collector must break, made and let go of."""
        module = self.module
        value = Value(self)
        if a % 3 == 0:
            variable = module.ContextVar("c", default=value)
            value.links.append(variable)
        elif a % 3 == 1:
            context = module.Context()
            context.run(lambda: value.links.append(self.variable(b).set(value)))
        else:
            context = module.Context()
            variable = module.ContextVar("c")
            context.run(variable.set, [context, value])
            if b & 1:
                copied = context.copy()
                copied.run(self.variable(c).set, copied)

    def collect(self, a, b, c):
        """The young first; then all, as it is nobody's which generation a cycle is of."""
        gc.collect(a % 3)
        gc.collect()

    def misuse(self, a, b, c):
        function = MISUSES[a % len(MISUSES)]
        token = self.token(b) or self.variable(b).set(0)
        return function(self.module, self.variable(c), self.context(b), token, self.value(c))

    def new_generator(self, a, b, c):
        def generator(steps):
            while self.at < len(self.operations) and steps:
                steps -= 1
                yield self.at
                self.step()

        self.generators.append(generator(a % 10))
        if len(self.generators) > 4:
            del self.generators[0]

    def resume(self, a, b, c):
        generator = self.pick(self.generators, a)
        if generator is not None:
            # The step is at depth 0 in the generator's eyes: an Unwind would end it.
            return self.context(c).run(next, generator, "ended") if b & 1 else next(generator, "ended")

    def worker(self, number):
        """Returns a thread that waits to be told, or None."""
        number %= 3
        if number not in self.workers:
            self.workers[number] = Worker()
        worker = self.workers[number]
        return None if worker.busy or worker.thread is threading.current_thread() else worker

    def on_thread(self, a, b, c):
        worker = self.worker(a)
        if worker is None:
            return "busy"
        outcome = []

        def block():
            try:
                if c & 1:
                    self.context(c // 2).run(self.block, b % 12)
                else:
                    self.block(b % 12)
            except BaseException as error:
                outcome.append((type(error).__name__, normalised(str(error))))

        worker.tell(block)
        return outcome

    def enter_on_thread(self, a, b, c):
        worker = self.worker(a)
        if worker is None or worker.depth > 3:
            return "busy"
        return worker.tell((self.context(b),))

    def leave_on_thread(self, a, b, c):
        worker = self.worker(a)
        if worker is None or worker.depth == 0:
            return "not in"
        return worker.leave()

    def end_thread(self, a, b, c):
        worker = self.worker(a)
        if worker is not None:
            del self.workers[a % 3]
            self.end_worker(worker)

    def end_worker(self, worker):
        self.thread_ends = True
        worker.end()
        self.thread_ends = False


WEIGHTS = {
    "new_variable": 6, "many_variables": 0.3, "get": 8, "get_or": 5, "set": 14, "set_again": 1, "set_only": 6,
    "reset": 6, "reset_last": 6, "reset_any": 3, "set_and_reset": 5, "new_context": 2, "copy_context": 4, "copy": 2,
    "run_block": 5, "run_in_copy": 3, "run_caught": 3, "run_set": 6, "run_reset": 3, "run_get": 2, "leave_blocks": 1,
    "item": 3, "contains": 2, "context_get": 3, "size": 2, "elements": 2, "new_iterator": 2, "advance": 4,
    "in_iterator": 1, "equal": 4, "token_parts": 3, "show": 3, "forget_variable": 2, "forget_context": 3,
    "forget_token": 4, "forget_value": 2, "forget_many": 1, "link": 4, "cycles": 1, "collect": 0.5,
    "misuse": 12, "new_generator": 1, "resume": 2, "on_thread": 1, "enter_on_thread": 0.5,
    "leave_on_thread": 0.5, "end_thread": 0.1,
}
PROGRAM = 400  # operations


def program(generator):
    names = generator.choices(list(WEIGHTS), list(WEIGHTS.values()), k=PROGRAM)
    return [(name, *(generator.getrandbits(16) for _ in "abc")) for name in names]


def events(module, operations, in_thread):
    """Runs a program and returns all that was seen."""
    world = World(module, operations)
    if in_thread:  # which has no context at first
        thread = threading.Thread(target=world.run)
        thread.start()
        thread.join()
    else:
        module.Context().run(world.run)
    world.over = True
    world.values.clear()
    world.back.clear()
    gc.collect()
    world.see_dead()
    world.log.append(("alive", sorted(world.watched)))
    return world.log


def difference(module, operations, in_thread):
    """Returns the first event that differs, or None."""
    expected = events(builtin, operations, in_thread)
    found = events(module, operations, in_thread)
    if expected == found:
        return None
    for at, (one, other) in enumerate(zip(expected + ["the end"], found + ["the end"])):
        if one != other:
            return at, one, other


def minimised(module, operations, in_thread):
    """Leaves out what the difference does not need."""
    size = len(operations) // 2
    while size:
        at = 0
        while at < len(operations):
            shorter = operations[:at] + operations[at + size :]
            if difference(module, shorter, in_thread):
                operations = shorter
            else:
                at += size
        size //= 2
    return operations


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=os.environ.get("CONTEXTVARS_SEED", random.randrange(2**32)))
    parser.add_argument("--module", default="cppcontextvars")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    wanted = int(os.environ.get("CONTEXTVARS_COMPARE_OPERATIONS", options.operations))
    module = importlib.import_module(options.module)
    print(f"CONTEXTVARS_SEED={options.seed}", flush=True)
    sys.unraisablehook = lambda unraisable: print("unraisable", unraisable, file=sys.stderr)

    gc.collect()
    gc.freeze()
    if options.alone:
        World.alone = True
        gc.set_threshold(1, 20, 20)
    else:
        gc.disable()  # a collection would come at other times, as the modules allocate differently
    began = time.monotonic()
    done = programs = 0
    while done < wanted and time.monotonic() - began < options.seconds:
        generator = random.Random(options.seed * 1_000_003 + programs)
        operations, in_thread = program(generator), generator.random() < 0.1
        if options.alone:
            events(module, operations, in_thread)
        elif difference(module, operations, in_thread):
            print(f"program {programs} differs{', on a thread' if in_thread else ''}; what is needed of it:")
            operations = minimised(module, operations, in_thread)
            for operation in operations:
                print("   ", *operation)
            at, one, other = difference(module, operations, in_thread)
            print(f"event {at}\n    built-in: {one}\n    {options.module}: {other}")
            return 1
        done += len(operations)
        programs += 1
    print(f"{done:,} operations in {programs:,} programs, {time.monotonic() - began:.0f} s, without a {'crash' if options.alone else 'difference'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
