# SPDX-License-Identifier: MIT
"""What CPython's own tests do not ask, or only those of 3.14 do."""
import copy
import pickle
import random
import subprocess
import sys
import types
import unittest
import weakref
from collections.abc import Mapping

import cppcontextvars
from cppcontextvars import Context, ContextVar, Token, copy_context


class ContextVars(unittest.TestCase):
    def test_a_lookup_error_carries_the_variable(self):
        variable = ContextVar("c")
        with self.assertRaises(LookupError) as caught:
            variable.get()
        self.assertIs(caught.exception.args[0], variable)
        self.assertIs(type(caught.exception), LookupError)

    def test_reset_checks_used_then_variable_then_context(self):
        a, b = ContextVar("a"), ContextVar("b")
        context = Context()
        token = context.run(a.set, 1)
        with self.assertRaisesRegex(ValueError, "by a different ContextVar"):
            b.reset(token)
        with self.assertRaisesRegex(ValueError, "in a different Context"):
            a.reset(token)
        with self.assertRaisesRegex(ValueError, "in a different Context"):
            context.copy().run(a.reset, token)
        context.run(a.reset, token)
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            b.reset(token)
        with self.assertRaisesRegex(TypeError, "expected an instance of Token, got 1"):
            a.reset(1)

    def test_tokens_may_be_used_in_any_order(self):
        for size in (1, 17, 200):
            variables = [ContextVar(f"v{i}") for i in range(size)]
            for variable in (variables[0], variables[-1]):
                def body():
                    first = variable.set(1)
                    second = variable.set(2)
                    variable.reset(first)
                    self.assertNotIn(variable, copy_context())
                    variable.reset(second)
                    self.assertEqual(variable.get(), 1)

                context = Context()
                context.run(lambda: [v.set(0) for v in variables if v is not variable])
                context.run(body)
                self.assertEqual(len(context), size)

    def test_get_sees_each_change_at_once(self):
        for size in (1, 15, 16, 17, 40, 300, 1100):
            others = [ContextVar(f"v{i}") for i in range(size)]
            variable = ContextVar("a")

            def body():
                for other in others:
                    other.set(0)
                for i in range(3):
                    self.assertIsNone(variable.get(None))
                    token = variable.set(i)
                    self.assertEqual(variable.get(), i)
                    variable.reset(token)
                for _ in range(2):
                    self.assertIsNone(variable.get(None))
                    for i in range(3):
                        token = variable.set(i)
                        self.assertEqual(variable.get(), i)
                        copied = copy_context()
                        inner = copied.run(variable.set, "inner")
                        self.assertEqual(copied.run(variable.get), "inner")
                        self.assertEqual(variable.get(), i)
                        copied.run(variable.reset, inner)
                        self.assertEqual(copied.run(variable.get), i)
                        variable.reset(token)
                        self.assertIsNone(variable.get(None))
                        self.assertEqual(copied.run(variable.get), i)
                        del copied, inner, token
                    for other in others:
                        self.assertEqual(other.get(), 0)

            Context().run(body)

    def test_classes_are_generic_and_closed(self):
        self.assertIsInstance(ContextVar[int], types.GenericAlias)
        self.assertIsInstance(Token[int], types.GenericAlias)
        with self.assertRaises(TypeError):
            Context[int]
        for cls in (ContextVar, Token, Context):
            with self.assertRaisesRegex(TypeError, "not an acceptable base type"):
                type("Sub", (cls,), {})
            with self.assertRaises(TypeError):
                cls.attribute = 1

    def test_nothing_is_pickled_or_copied(self):
        variable = ContextVar("a")
        context = Context()
        token = context.run(variable.set, 1)
        for thing in (variable, context, token, Token.MISSING, iter(context), context.items()):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                with self.assertRaisesRegex(TypeError, "cannot pickle '"):
                    pickle.dumps(thing, protocol)
            for function in (copy.copy, copy.deepcopy):
                with self.assertRaisesRegex(TypeError, "cannot pickle '"):
                    function(thing)

    def test_only_contexts_have_weak_references(self):
        variable = ContextVar("a")
        context = Context()
        token = context.run(variable.set, 1)
        self.assertIs(weakref.ref(context)(), context)
        for thing in (variable, token):
            with self.assertRaises(TypeError):
                weakref.ref(thing)


class Tokens(unittest.TestCase):
    def test_a_token_is_a_context_manager(self):
        variable = ContextVar("a", default=0)

        def body():
            token = variable.set(1)
            with token as entered:
                self.assertIs(entered, token)
                variable.set(2)
            self.assertEqual(variable.get(), 0)
            self.assertIn("used", repr(token))

        Context().run(body)

    def test_it_resets_after_an_exception_which_goes_on(self):
        variable = ContextVar("a", default=0)

        def body():
            with self.assertRaises(ZeroDivisionError):
                with variable.set(1):
                    1 / 0
            self.assertEqual(variable.get(), 0)

        Context().run(body)

    def test_it_cannot_reset_twice(self):
        variable = ContextVar("a", default=0)

        def body():
            with self.assertRaisesRegex(RuntimeError, "<Token .+ has already been used once"):
                with variable.set(1) as token:
                    variable.reset(token)
            with self.assertRaisesRegex(RuntimeError, "has already been used once"):
                with variable.set(1) as token:
                    with token:
                        pass

        Context().run(body)

    def test_it_cannot_reset_in_another_context(self):
        variable = ContextVar("a", default=0)
        token = Context().run(variable.set, 1)
        with self.assertRaisesRegex(ValueError, "<Token .+ was created in a different Context"):
            with token:
                pass

    def test_exit_takes_three_arguments(self):
        token = Context().run(ContextVar("a").set, 1)
        for count in (0, 1, 2, 4):
            with self.assertRaises(TypeError):
                token.__exit__(*[None] * count)


class Contexts(unittest.TestCase):
    def test_a_context_is_a_mapping(self):
        self.assertIsInstance(Context(), Mapping)
        self.assertFalse(isinstance(Context(), dict))

    def test_iterators_show_what_was_bound_when_they_were_made(self):
        for size in (0, 1, 4, 5, 16, 17, 33, 1100):
            variables = [ContextVar(f"v{i}") for i in range(size)]
            context = Context()
            context.run(lambda: [v.set(i) for i, v in enumerate(variables)])
            keys, values, items = context.keys(), context.values(), context.items()
            context.run(lambda: [v.set(None) for v in variables])
            context.run(ContextVar("more").set, 1)
            self.assertEqual([len(x) for x in (keys, values, items)], [size] * 3)
            self.assertEqual(set(keys), set(variables))
            self.assertEqual(sorted(values), list(range(size)))
            self.assertEqual(dict(items), {v: i for i, v in enumerate(variables)})
            self.assertEqual(list(keys), [])
            self.assertEqual(len(keys), size)

    def test_an_entered_context_is_not_entered_again(self):
        context = Context()
        with self.assertRaisesRegex(
            RuntimeError, "cannot enter context: <cppcontextvars.Context object .+ is already entered"
        ):
            context.run(context.run, int)
        self.assertEqual(context.run(int), 0)
        with self.assertRaisesRegex(TypeError, r"run\(\) missing 1 required positional argument"):
            context.run()
        with self.assertRaisesRegex(TypeError, "not callable"):
            context.run(1)
        self.assertEqual(context.run(lambda **k: k, self=1, callable=2), {"self": 1, "callable": 2})

    def test_any_exception_leaves_the_context(self):
        variable = ContextVar("a")
        for error in (ValueError, KeyboardInterrupt, SystemExit, GeneratorExit):
            context = Context()

            def body():
                variable.set(error)
                raise error

            for _ in range(2):
                with self.assertRaises(error):
                    context.run(body)
            self.assertIs(context[variable], error)
        self.assertIsNone(variable.get(None))

    def test_many_contexts_do_what_dictionaries_would(self):
        rng = random.Random(2)
        variables = [ContextVar(f"v{i}") for i in range(1500)]
        for few in (3, 20, 70, 1500):
            used = variables[:few] if few < 1500 else variables
            contexts = [(Context(), {})]
            tokens = []
            for step in range(4000):
                context, model = rng.choice(contexts)
                action = rng.random()
                variable = rng.choice(used)
                if action < 0.6:
                    value = object()
                    before = model.get(variable, Token.MISSING)
                    token = context.run(variable.set, value)
                    self.assertIs(token.old_value, before)
                    tokens.append((token, context, model))
                    model[variable] = value
                elif action < 0.8 and tokens:
                    token, context, model = tokens.pop(rng.randrange(len(tokens)))
                    context.run(token.var.reset, token)
                    if token.old_value is Token.MISSING:
                        model.pop(token.var, None)
                    else:
                        model[token.var] = token.old_value
                elif action < 0.84:
                    contexts.append((context.copy(), dict(model)))
                    if len(contexts) > 12:
                        dropped = contexts.pop(rng.randrange(len(contexts)))[0]
                        tokens = [t for t in tokens if t[1] is not dropped]
                elif action < 0.99:
                    self.assertIs(context.run(variable.get, None), model.get(variable))
                    self.assertEqual(len(context), len(model))
                else:
                    self.assertEqual(dict(context.items()), model)
                    for other, other_model in contexts:
                        self.assertEqual(context == other, model == other_model)
            for context, model in contexts:
                self.assertEqual(dict(context.items()), model)
                self.assertEqual(len(context), len(model))
                for variable in used:
                    self.assertEqual(variable in context, variable in model)


class Modules(unittest.TestCase):
    def run_python(self, source):
        return subprocess.run(
            [sys.executable, "-X", "dev", "-c", source], capture_output=True, text=True
        )

    def test_the_module_may_be_imported_again(self):
        result = self.run_python(
            "import sys, gc, cppcontextvars as first\n"
            "v = first.ContextVar('v'); v.set(1)\n"
            "del sys.modules['cppcontextvars']\n"
            "import cppcontextvars as second\n"
            "assert first is not second and first.ContextVar is second.ContextVar\n"
            "del first; gc.collect()\n"
            "assert v.get() == 1 and second.copy_context()[v] == 1\n"
            "del second, sys.modules['cppcontextvars']; gc.collect()\n"
            "assert v.get() == 1 and v.set(2).old_value == 1\n"
            "del v; gc.collect()\n"
            "import cppcontextvars; cppcontextvars.ContextVar('v').set(1)\n"
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_module_goes_with_the_last_of_its_objects(self):
        result = self.run_python(
            "import sys, gc, weakref, cppcontextvars\n"
            "module = weakref.ref(cppcontextvars)\n"
            "v = cppcontextvars.ContextVar('v'); v.set(1)\n"
            "del sys.modules['cppcontextvars'], cppcontextvars; gc.collect()\n"
            "assert module() is not None and v.get() == 1\n"
            "v = None\n"
            "import cppcontextvars\n"
            "assert cppcontextvars.ContextVar('w').get(None) is None\n"
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        result = self.run_python(
            "import sys, gc, weakref, cppcontextvars\n"
            "module = weakref.ref(cppcontextvars)\n"
            "del sys.modules['cppcontextvars'], cppcontextvars; gc.collect()\n"
            "assert module() is None\n"
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_another_interpreter_is_refused(self):
        result = self.run_python(
            "try:\n import _xxsubinterpreters as i\n"
            "except ImportError:\n import _interpreters as i\n"
            "import cppcontextvars\n"
            "code = '''try:\n import cppcontextvars\nexcept ImportError as e:\n print(e)'''\n"
            "x = i.create(); i.run_string(x, code); i.destroy(x)\n"
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("does not support loading in subinterpreters", result.stdout)

    def test_the_interpreter_ends_whatever_is_bound(self):
        result = self.run_python(
            "import cppcontextvars as m, sys, threading\n"
            "class Value:\n"
            "  def __init__(self): self.variable = m.ContextVar('w', default=self)\n"
            "  def __del__(self):\n"
            "    self.variable.set(1); m.copy_context().run(self.variable.get)\n"
            "variables = [m.ContextVar(f'v{i}') for i in range(100)]\n"
            "for v in variables: v.set(Value())\n"
            "sys.kept = m.copy_context(), variables[0].set(Value())\n"
            "event = threading.Event()\n"
            "def run():\n"
            "  variables[1].set(Value())\n"
            "  m.copy_context().run(event.wait)\n"
            "threading.Thread(target=run, daemon=True).start()\n"
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
