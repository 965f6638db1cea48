# SPDX-License-Identifier: MIT
"""What CPython does since 3.14, or since a fix that 3.11 lacks, and the module on every version."""
import collections.abc
import gc
import unittest
import weakref

from cppcontextvars import Context, ContextVar, Token, copy_context


class Case(unittest.TestCase):
    def setUp(self):
        self.variable = ContextVar("a", default="default")

    def run(self, result=None):
        return Context().run(super().run, result)


class TokenAsContextManager(Case):
    """Row "context manager (3.14)" of Token."""

    def test_gives_itself_and_resets_the_variable_to_missing(self):
        with self.variable.set(1) as token:
            self.assertIs(type(token), Token)
            self.assertIs(token.old_value, Token.MISSING)
            self.assertEqual(self.variable.get(), 1)
        self.assertEqual(self.variable.get(), "default")
        self.assertNotIn(self.variable, copy_context())

    def test_resets_the_variable_to_its_value_before(self):
        self.variable.set(1)
        with self.variable.set(2):
            with self.variable.set(3) as token:
                self.assertEqual(token.old_value, 2)
            self.assertEqual(self.variable.get(), 2)
        self.assertEqual(self.variable.get(), 1)

    def test_discards_what_is_set_inside(self):
        with self.variable.set(1):
            self.variable.set(2)
        self.assertEqual(self.variable.get(), "default")

    def test_may_be_entered_later_than_it_is_made(self):
        token = self.variable.set(1)
        self.variable.set(2)
        with token as entered:
            self.assertIs(entered, token)
            self.assertEqual(self.variable.get(), 2)
        self.assertEqual(self.variable.get(), "default")

    def test_lets_exceptions_pass(self):
        for kind in (ZeroDivisionError, KeyboardInterrupt):
            with self.assertRaises(kind):
                with self.variable.set(1):
                    raise kind
            self.assertEqual(self.variable.get(), "default")

    def test_returns_none_from_its_exit(self):
        token = self.variable.set(1)
        self.assertIsNone(token.__exit__(ValueError, ValueError("e"), None))
        self.assertEqual(self.variable.get(), "default")

    def test_is_shown_as_used_afterwards(self):
        with self.variable.set(1) as token:
            self.assertEqual(repr(token), f"<Token var={self.variable!r} at {hex(id(token))}>")
        self.assertEqual(repr(token), f"<Token used var={self.variable!r} at {hex(id(token))}>")

    def test_that_is_reset_inside_raises_at_the_end(self):
        with self.assertRaises(RuntimeError) as raised:
            with self.variable.set(1) as token:
                self.variable.reset(token)
        self.assertEqual(str(raised.exception), f"{token!r} has already been used once")
        self.assertEqual(self.variable.get(), "default")

    def test_that_is_nested_in_itself_raises_at_the_outer_end(self):
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            with self.variable.set(1) as token:
                with token:
                    pass
                self.assertEqual(self.variable.get(), "default")

    def test_that_ends_in_another_context_raises_and_may_end_in_its_own(self):
        token = self.variable.set(1)

        def elsewhere():
            with token:
                raise ZeroDivisionError

        with self.assertRaises(ValueError) as raised:
            Context().run(elsewhere)
        self.assertEqual(str(raised.exception), f"{token!r} was created in a different Context")
        self.assertIs(type(raised.exception.__context__), ZeroDivisionError)
        with token:
            pass
        self.assertEqual(self.variable.get(), "default")

    def test_takes_the_arguments_of_a_context_manager(self):
        token = self.variable.set(1)
        for call in (
            lambda: token.__enter__(1),
            lambda: token.__exit__(),
            lambda: token.__exit__(None, None),
            lambda: token.__exit__(None, None, None, None),
            lambda: token.__exit__(type=None, value=None, traceback=None),
        ):
            self.assertRaises(TypeError, call)
        self.assertEqual(self.variable.get(), 1)
        with token:
            pass

    def test_serves_a_generator_that_contextlib_makes_a_context_manager(self):
        import contextlib

        @contextlib.contextmanager
        def bound(value):
            with self.variable.set(value):
                yield

        with bound(1):
            self.assertEqual(self.variable.get(), 1)
        self.assertEqual(self.variable.get(), "default")


class ContextAsMapping(Case):
    """Row "Mapping ABC" of Context."""

    def test_is_an_instance_of_mapping_and_what_a_mapping_is(self):
        for abc in ("Mapping", "Collection", "Iterable", "Container", "Sized"):
            with self.subTest(abc=abc):
                self.assertIsInstance(Context(), getattr(collections.abc, abc))
        self.assertTrue(issubclass(Context, collections.abc.Mapping))

    def test_is_no_mutable_mapping(self):
        self.assertNotIsInstance(Context(), collections.abc.MutableMapping)
        self.assertNotIsInstance(ContextVar("a"), collections.abc.Mapping)


class VariableNames(Case):
    """Row "unhashable str subclass" of ContextVar, which crashed before."""

    def test_that_cannot_be_hashed_are_a_type_error(self):
        class Name(str):
            __hash__ = None

        with self.assertRaisesRegex(TypeError, "unhashable type"):
            ContextVar(Name("a"))

    def test_whose_hash_raises_pass_that_on_and_leave_nothing(self):
        class Name(str):
            def __hash__(self):
                raise ZeroDivisionError

        class Default:
            pass

        name, default = Name("a"), Default()
        dead = weakref.ref(name), weakref.ref(default)
        self.assertRaises(ZeroDivisionError, ContextVar, name, default=default)
        del name, default
        self.assertEqual([died() for died in dead], [None, None])


class MissingVariables(Case):
    """Row "get() / get(d)" of ContextVar."""

    def test_are_named_by_the_error(self):
        with self.assertRaisesRegex(LookupError, "<ContextVar name='c'"):
            ContextVar("c").get()


class UsedTokens(Case):
    """Row "repr" of Token."""

    def test_are_shown_as_used(self):
        token = self.variable.set(1)
        self.variable.reset(token)
        self.assertIn("<Token used var=<ContextVar name='a'", repr(token))


class ReentrantEquality(Case):
    """Row "re-entrancy during ==" of Context, where memory was used that had been freed."""

    sizes = (1, 2, 8, 9, 17, 40, 300)

    def contexts(self, size, value):
        one, other = Context(), Context()
        variables = [ContextVar(str(i)) for i in range(size)]
        for context in (one, other):
            for variable in variables:
                context.run(variable.set, value())
        return one, other, variables

    def test_that_changes_a_context_compares_what_it_was(self):
        for size in self.sizes:
            for which in (0, 1):
                with self.subTest(size=size, which=which):

                    class Value:
                        def __eq__(self, other):
                            compared[which].run(self.change)
                            gc.collect()
                            return True

                        def change(self):
                            for variable in variables:
                                variable.set(None)
                            for i in range(10):
                                ContextVar(f"new {i}").set(i)

                    *compared, variables = self.contexts(size, Value)
                    # The comparison does not see what it has brought about; the next one does.
                    self.assertTrue(compared[0] == compared[1])
                    self.assertFalse(compared[0] == compared[1])
                    self.assertEqual(len(compared[which]), size + 10 * size)

    def test_that_removes_what_is_compared_keeps_it_alive(self):
        for size in self.sizes:
            with self.subTest(size=size):

                class Value:
                    def __eq__(self, other):
                        one.run(remove)
                        other_context.run(remove_others)
                        gc.collect()
                        return self.label == other.label

                    def __init__(self):
                        self.label = "label"

                def remove():
                    while tokens:
                        variable, token = tokens.pop()
                        variable.reset(token)

                def remove_others():
                    while other_tokens:
                        variable, token = other_tokens.pop()
                        variable.reset(token)

                variables = [ContextVar(str(i)) for i in range(size)]
                one, other_context = Context(), Context()
                tokens = [(variable, one.run(variable.set, Value())) for variable in variables]
                other_tokens = [(variable, other_context.run(variable.set, Value())) for variable in variables]
                self.assertTrue(one == other_context)
                self.assertEqual((len(one), len(other_context)), (0, 0))

    def test_that_lets_go_of_the_contexts_is_harmless(self):
        class Value:
            def __eq__(self, other):
                contexts.clear()
                gc.collect()
                return True

        for size in self.sizes:
            with self.subTest(size=size):
                *contexts, variables = self.contexts(size, Value)
                self.assertTrue(contexts[0] == contexts[1])

    def test_that_compares_the_same_contexts_is_harmless(self):
        class Value:
            depth = 0

            def __eq__(self, other):
                Value.depth += 1
                try:
                    return one == two if Value.depth < 3 else True
                finally:
                    Value.depth -= 1

        one, two, _ = self.contexts(3, Value)
        self.assertTrue(one == two)


class Iterators(Case):
    """Those of CPython were not known to the collector for long."""

    def test_in_a_cycle_are_collected(self):
        class Value:
            pass

        for method in ("keys", "values", "items", "__iter__"):
            with self.subTest(method=method):
                context, value = Context(), Value()
                context.run(self.variable.set, value)
                value.iterator = getattr(context, method)()
                died = weakref.ref(value)
                del context, value
                gc.collect()
                self.assertIsNone(died())

    def test_keep_what_they_have_yet_to_give(self):
        context = Context()
        for i in range(40):
            context.run(ContextVar(str(i)).set, [i])
        values = context.values()
        del context
        gc.collect()
        self.assertEqual(sorted(values), [[i] for i in range(40)])


if __name__ == "__main__":
    unittest.main()
