# SPDX-License-Identifier: MIT
"""Python code that runs in the middle of an operation, and uses the same objects."""
import gc
import random
import unittest
import weakref

from cppcontextvars import Context, ContextVar, copy_context


class Reentrancy(unittest.TestCase):
    def test_comparison_is_of_what_was_bound_when_it_began(self):
        for size in (1, 5, 17, 60):
            for change in ("set", "reset", "grow"):
                with self.subTest(size=size, change=change):
                    self.compare_while_changing(size, change)

    def compare_while_changing(self, size, change):
        variables = [ContextVar(f"v{i}") for i in range(size)]
        a, b = Context(), Context()
        compared = 0

        class Value:
            def __eq__(self, other):
                nonlocal compared
                compared += 1
                for context, tokens in ((a, tokens_of_a), (b, tokens_of_b)):
                    if change == "set":
                        context.run(lambda: [v.set(object()) for v in variables])
                    elif change == "reset":
                        context.run(lambda: [v.reset(t) for v, t in tokens])
                        tokens.clear()
                    else:
                        context.run(lambda: [ContextVar("c").set(i) for i in range(9)])
                gc.collect()
                return True

        def fill():
            return [(variable, variable.set(Value())) for variable in variables]

        tokens_of_a, tokens_of_b = a.run(fill), b.run(fill)
        self.assertTrue(a == b)
        self.assertEqual(compared, size)

    def test_an_exception_from_a_comparison_comes_out(self):
        variable = ContextVar("a")

        class Value:
            def __eq__(self, other):
                raise ZeroDivisionError

        a, b = Context(), Context()
        a.run(variable.set, Value())
        b.run(variable.set, Value())
        with self.assertRaises(ZeroDivisionError):
            a == b
        self.assertTrue(a == a.copy())

    def test_a_name_whose_hash_uses_variables(self):
        other = ContextVar("other")

        class Name(str):
            def __hash__(self):
                other.set(other.get(0) + 1)
                gc.collect()
                return 7

        def body():
            variable = ContextVar(Name("a"))
            self.assertEqual(hash(variable), hash(variable))
            variable.set(1)
            return other.get()

        self.assertEqual(Context().run(body), 1)

        class Unhashable(str):
            __hash__ = None

        with self.assertRaisesRegex(TypeError, "unhashable type"):
            ContextVar(Unhashable("a"))

    def test_a_name_whose_hash_empties_the_keywords(self):
        class Default(list):
            pass

        class Name(str):
            def __hash__(self):
                for found in gc.get_objects():
                    if type(found) is dict and type(found.get("default")) is Default:
                        found.clear()
                return 7

        variable = ContextVar(Name("a"), **{"default": Default([1])})
        others = [Default() for _ in range(5)]
        self.assertEqual(variable.get(), [1])
        del others

    def test_a_value_whose_end_sets_the_same_variable(self):
        for size in (1, 15, 16, 17, 100):
            variables = [ContextVar(f"v{i}") for i in range(size)]
            variable = variables[-1]
            seen = []

            class Value:
                def __del__(self):
                    seen.append(variable.get(None))
                    token = variable.set("from __del__")
                    for another in variables:
                        another.set(another.get(None))
                    copy_context().run(variable.set, 1)
                    variable.reset(token)

            def body():
                for another in variables:
                    another.set(another)
                for _ in range(3):
                    token = variable.set(Value())
                    variable.set(2)  # the token still has nothing of it
                    del token
                token = variable.set(3)
                variable.set(Value())
                variable.reset(token)
                self.assertEqual(variable.get(), 2)

            Context().run(body)
            self.assertEqual(len(seen), 4)
            self.assertEqual(seen[-1], 2)

    def test_a_context_whose_end_uses_what_it_bound(self):
        variable = ContextVar("a")
        seen = []

        class Value:
            def __init__(self, context):
                self.context = context

            def __del__(self):
                seen.append(self.context.run(variable.get))
                self.context.run(variable.set, 5)
                seen.append(self.context[variable])

        context = Context()
        context.run(variable.set, 1)
        holder = Context()
        holder.run(variable.set, Value(context))
        del holder, context
        gc.collect()
        self.assertEqual(seen, [1, 5])

    def test_weak_references_to_contexts_call_back(self):
        variable = ContextVar("a")
        seen = []
        context = Context()
        reference = weakref.ref(context, lambda _: seen.append(variable.set(9).old_value))
        context.run(variable.set, 1)
        del context
        self.assertEqual(len(seen), 1)
        self.assertIsNone(reference())

    def test_collections_in_the_middle_of_set_find_all_in_order(self):
        # On CPython 3.11 each allocation may run the collector, and so __del__ and callbacks.
        thresholds = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *thresholds)
        rng = random.Random(1)
        variables = [ContextVar(f"v{i}") for i in range(120)]
        counter = ContextVar("counter", default=0)
        ends = 0

        class Garbage:
            def __init__(self):
                self.me = self

            def __del__(self):
                nonlocal ends
                ends += 1
                counter.set(counter.get() + 1)
                for variable in rng.sample(variables, 3):
                    token = variable.set(ends)
                    copy_context().run(variable.set, None)
                    if rng.random() < 0.5:
                        variable.reset(token)

        def body():
            gc.set_threshold(1, 1, 1)
            kept = []
            for i in range(3000):
                Garbage()
                kept.append(copy_context())
                rng.choice(kept).run(rng.choice(variables).set, i)  # so that blocks are allocated
                variable = rng.choice(variables)
                mine = object()
                token = variable.set(mine)
                if variable.get() is mine and rng.random() < 0.5:
                    variable.reset(token)
                kept[-1] == copy_context()
            gc.set_threshold(*thresholds)
            gc.collect()
            return counter.get()

        self.assertEqual(Context().run(body), ends)
        self.assertEqual(ends, 3000)

    def test_a_representation_that_sets(self):
        variable = ContextVar("a")

        class Value:
            def __repr__(self):
                variable.set(1)
                gc.collect()
                return "value"

        default = ContextVar("d", default=Value())
        self.assertRegex(repr(default), r"^<ContextVar name='d' default=value at 0x[0-9a-f]+>$")
        loop = []
        looped = ContextVar("l", default=loop)
        loop.append(looped)
        self.assertIn("[...]", repr(looped))


if __name__ == "__main__":
    unittest.main()
