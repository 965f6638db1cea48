# SPDX-License-Identifier: MIT
"""What the garbage collector sees: a map is one object, however many contexts share it."""
import gc
import random
import sys
import unittest
import weakref

from cppcontextvars import Context, ContextVar, Token, copy_context


class Thing:
    pass


def collected(reference):
    gc.collect()
    return reference() is None


class Cycles(unittest.TestCase):
    def setUp(self):
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def test_a_variable_whose_default_refers_to_it_is_collected(self):
        thing = Thing()
        thing.variable = ContextVar("a", default=thing)
        reference = weakref.ref(thing)
        del thing
        self.assertIsNotNone(reference())
        self.assertTrue(collected(reference))

    def test_a_variable_whose_name_refers_to_it_is_collected(self):
        class Name(str):
            pass

        name = Name("a")
        name.variable = ContextVar(name)
        reference = weakref.ref(name)
        del name
        self.assertTrue(collected(reference))

    def test_a_token_bound_in_its_own_context_is_collected(self):
        variable = ContextVar("a")
        thing = Thing()
        context = Context()

        def body():
            thing.token = variable.set(thing)

        context.run(body)
        reference = weakref.ref(thing)
        del thing, context, body
        self.assertIsNotNone(reference())
        self.assertTrue(collected(reference))

    def test_a_context_bound_in_itself_is_collected(self):
        variable = ContextVar("a")
        context = Context()
        context.run(variable.set, context)
        reference = weakref.ref(context)
        del context
        self.assertIsNotNone(reference())
        self.assertTrue(collected(reference))

    def test_a_variable_bound_in_a_context_that_is_its_default_is_collected(self):
        context = Context()
        variable = ContextVar("a", default=context)
        context.run(variable.set, 1)
        reference = weakref.ref(context)
        del context, variable
        self.assertIsNotNone(reference())
        self.assertTrue(collected(reference))

    def test_an_old_value_that_holds_its_token_is_collected(self):
        variable = ContextVar("a")
        thing = Thing()

        def body():
            variable.set(thing)
            thing.token = variable.set(1)

        Context().run(body)
        reference = weakref.ref(thing)
        del thing, body
        self.assertIsNotNone(reference())
        self.assertTrue(collected(reference))

    def test_an_iterator_bound_in_what_it_iterates_over_is_collected(self):
        for make in (Context.keys, Context.values, Context.items, iter):
            variable = ContextVar("a")
            thing = Thing()
            context = Context()
            context.run(variable.set, thing)
            thing.iterator = make(context)
            reference = weakref.ref(thing)
            del thing, context
            self.assertIsNotNone(reference())
            self.assertTrue(collected(reference))

    def test_contexts_that_share_a_map_in_a_cycle_through_each_are_collected(self):
        for size in (1, 4, 16, 17, 100, 1500):
            with self.subTest(size=size):
                variables = [ContextVar(f"v{i}") for i in range(size)]
                first = Context()
                thing = Thing()

                def body():
                    for variable in variables:
                        variable.set(thing)

                first.run(body)
                second = first.copy()
                third = second.copy()
                thing.contexts = [first, second, third]
                third.run(variables[-1].set, second)
                references = [weakref.ref(first), weakref.ref(second), weakref.ref(thing)]
                del first, second, third, thing, body
                gc.collect()
                self.assertEqual([reference() for reference in references], [None] * 3)

    def test_a_map_that_one_of_its_sharers_holds_from_outside_stays(self):
        for size in (1, 16, 100):
            with self.subTest(size=size):
                variables = [ContextVar(f"v{i}") for i in range(size)]
                first = Context()
                thing = Thing()
                first.run(lambda: [variable.set(thing) for variable in variables])
                copies = [first.copy() for _ in range(5)]
                thing.copies = copies[:4]
                kept = copies[4]
                del copies, first
                reference = weakref.ref(thing)
                del thing
                for _ in range(3):
                    gc.collect()
                self.assertIs(kept[variables[0]], reference())
                self.assertEqual(len(reference().copies), 4)
                self.assertIs(reference().copies[0][variables[-1]], reference())
                del kept
                self.assertTrue(collected(reference))

    def test_nothing_is_left_once_all_is_gone(self):
        def work():
            variables = [ContextVar(f"v{i}", default=[]) for i in range(200)]

            def body():
                tokens = [variable.set([]) for variable in variables]
                copies = [copy_context() for _ in range(10)]
                for copy in copies:
                    copy.run(variables[150].set, copies)
                for variable, token in list(zip(variables, tokens))[::2]:
                    variable.reset(token)

            Context().run(body)

        def count():
            gc.collect()
            return sum(type(o).__module__ == "cppcontextvars" for o in gc.get_objects())

        work()
        before = count()
        for _ in range(5):
            work()
        self.assertEqual(count(), before)


    def test_every_reference_is_given_back(self):
        rng = random.Random(3)
        variables = [ContextVar(f"v{i}") for i in range(150)]
        values = [object() for _ in range(5)]

        def counts():
            gc.collect()
            return [sys.getrefcount(x) for x in variables + values + [Context, Token, ContextVar]]

        def work():
            contexts = [Context()]
            tokens = []
            for _ in range(3000):
                context = rng.choice(contexts)
                action = rng.random()
                if action < 0.6:
                    token = context.run(rng.choice(variables).set, rng.choice(values))
                    tokens.append((context, token))
                elif action < 0.8 and tokens:
                    context, token = tokens.pop(rng.randrange(len(tokens)))
                    context.run(token.var.reset, token)
                elif action < 0.85:
                    contexts.append(context.copy())
                elif action < 0.88:
                    context == rng.choice(contexts)
                    list(context.items()), next(iter(context), None), context.keys()
                elif len(contexts) > 10:
                    contexts.pop(rng.randrange(len(contexts)))

        work()
        before = counts()
        for _ in range(3):
            work()
        # Those of the types are in objects that wait to be used again.
        self.assertEqual(counts()[:-3], before[:-3])
        for after, count in zip(counts()[-3:], before[-3:]):
            self.assertLess(abs(after - count), 200)


class Tracking(unittest.TestCase):
    def test_objects_are_tracked_as_those_of_the_built_in_module(self):
        variable = ContextVar("a")
        self.assertFalse(gc.is_tracked(variable))
        self.assertFalse(gc.is_tracked(ContextVar("a", default=1)))
        self.assertFalse(gc.is_tracked(ContextVar("a", default=())))
        self.assertTrue(gc.is_tracked(ContextVar("a", default=[])))
        context = Context()
        self.assertTrue(gc.is_tracked(context))
        self.assertTrue(gc.is_tracked(context.run(variable.set, 1)))

    def test_blocks_found_by_the_collector_may_be_kept(self):
        variables = [ContextVar(f"v{i}") for i in range(300)]
        context = Context()
        context.run(lambda: [variable.set([variable]) for variable in variables])
        blocks = [o for o in gc.get_objects() if type(o).__name__.startswith("_map")]
        self.assertGreater(len(blocks), 10)
        before = dict(context.items())
        tokens = context.run(lambda: [variable.set(i) for i, variable in enumerate(variables)])
        self.assertEqual([context[variable] for variable in variables], list(range(300)))
        context.run(lambda: [v.reset(t) for v, t in zip(variables, tokens)])
        self.assertEqual(dict(context.items()), before)
        for block in blocks:
            repr(block), hash(block), block == 1, gc.get_referents(block), gc.get_referrers(block)
            with self.assertRaises(TypeError):
                type(block)()
        del context, tokens, before, variables
        gc.collect()
        for block in blocks:
            gc.get_referents(block)


class Lifetime(unittest.TestCase):
    def test_a_value_lives_until_no_context_and_no_token_has_it(self):
        variable = ContextVar("a")
        thing = Thing()
        reference = weakref.ref(thing)
        context = Context()
        context.run(variable.set, thing)
        del thing
        copy = context.copy()
        token = context.run(variable.set, 1)
        self.assertIsNotNone(reference())
        del copy
        self.assertIs(token.old_value, reference())
        context.run(variable.reset, token)
        self.assertIs(context[variable], reference())
        context.run(variable.set, 2)
        self.assertIs(token.old_value, reference())
        del token
        self.assertIsNone(reference())

    def test_a_context_keeps_its_variables(self):
        context = Context()
        context.run(lambda: ContextVar("kept").set(1))
        (variable,) = context
        self.assertEqual(variable.name, "kept")
        self.assertEqual(context[variable], 1)

    def test_the_place_of_a_variable_that_is_gone_is_not_taken_for_its_successors(self):
        for _ in range(5):
            contexts = []
            for i in range(300):
                variable = ContextVar(f"v{i}")
                self.assertIsNone(variable.get(None))
                context = Context()
                context.run(variable.set, i)
                contexts.append((context, variable if i % 3 else None))
                for other, kept in contexts[-20:]:
                    self.assertEqual(variable in other, kept is variable or other is context)
            for i, (context, _) in enumerate(contexts):
                self.assertEqual(list(context.values()), [i])
                self.assertEqual([v.name for v in context], [f"v{i}"])

    def test_contexts_nested_in_contexts_are_released_at_any_depth(self):
        variable = ContextVar("a")
        for depth in (10, 200_000):
            context = None
            for _ in range(depth):
                outer = Context()
                outer.run(variable.set, context)
                context = outer
            del outer, context

    def test_tokens_nested_in_tokens_are_released_at_any_depth(self):
        variable = ContextVar("a")

        def body():
            for _ in range(200_000):
                variable.set(variable.set(None))
                token = variable.set(variable.get())
                variable.set(token)

        Context().run(body)

    def test_tokens_whose_old_values_end_elsewhere_too_are_released_at_any_depth(self):
        token = None
        for _ in range(300_000):
            variable = ContextVar("a", default=token)
            context = Context()
            context.run(variable.set, token)
            token = context.run(variable.set, 1)
        del variable, context
        del token

    def test_variables_nested_in_defaults_are_released_at_any_depth(self):
        variable = ContextVar("a", default=[])
        for _ in range(200_000):
            variable = ContextVar("a", default=variable)
        del variable
        value = []
        for _ in range(200_000):
            variable = ContextVar("a", default=value)
            context = Context()
            context.run(variable.set, 1)
            value = context
        del variable, context, value


if __name__ == "__main__":
    unittest.main()
