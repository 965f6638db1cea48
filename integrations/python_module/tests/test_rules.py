# SPDX-License-Identifier: MIT
"""The rules of ContextVar, Token, Context and copy_context that CPython's own suite does not fix.

Each test runs with the built-in module as well, which says that it is right. Test classes are named for
what they are about; what differs by version is in test_3_14.py.
"""
import _contextvars as builtin
import collections.abc
import copy
import gc
import pickle
import threading
import types
import unittest
import weakref

import cppcontextvars


class Probe:
    """An object that can be watched."""


class Case(unittest.TestCase):
    module = None

    def setUp(self):
        self.ContextVar, self.Context = self.module.ContextVar, self.module.Context
        self.Token, self.copy_context = self.module.Token, self.module.copy_context

    def run(self, result=None):
        # In a context of its own, as the main thread's would stay.
        return self.module.Context().run(super().run, result)

    def assert_raises_text(self, kind, text, function, *arguments, **named):
        """The text is all of it."""
        with self.assertRaises(kind) as raised:
            function(*arguments, **named)
        self.assertEqual(str(raised.exception), text)
        return raised.exception


class Variables(Case):
    def test_of_equal_names_are_unrelated(self):
        one, other = self.ContextVar("v"), self.ContextVar("v")
        one.set(1)
        self.assertIsNone(other.get(None))
        self.assertNotEqual(one, other)
        self.assertEqual(len(self.copy_context()), 1)

    def test_take_exactly_one_positional_argument(self):
        missing = "ContextVar() takes exactly 1 positional argument (0 given)"
        self.assert_raises_text(TypeError, missing, self.ContextVar)
        self.assert_raises_text(TypeError, missing, self.ContextVar, name="a")
        self.assert_raises_text(TypeError, missing, self.ContextVar, default=1)
        for arguments in (("a", 5), ("a", 5, 6)):
            with self.assertRaises(TypeError):
                self.ContextVar(*arguments)
        with self.assertRaisesRegex(TypeError, "foo"):
            self.ContextVar("a", foo=1)

    def test_are_named_by_a_str_which_is_kept_as_it_is(self):
        class Name(str):
            pass

        for wrong in (1, None, b"a", bytearray(b"a"), ["a"]):
            self.assert_raises_text(TypeError, "context variable name must be a str", self.ContextVar, wrong)
        self.assertEqual(self.ContextVar("").name, "")
        for name in (Name("a"), "\ud800\0é"):
            self.assertIs(self.ContextVar(name).name, name)

    def test_have_a_name_that_is_read_only(self):
        variable = self.ContextVar("a")
        self.assert_raises_text(AttributeError, "readonly attribute", setattr, variable, "name", "b")
        self.assert_raises_text(AttributeError, "readonly attribute", delattr, variable, "name")

    def test_have_no_other_attributes(self):
        variable = self.ContextVar("a")
        self.assertFalse(hasattr(variable, "__dict__"))
        with self.assertRaises(AttributeError):
            variable.foo = 1
        with self.assertRaises(AttributeError):
            variable.get = 1

    def test_have_a_default_that_may_be_none(self):
        self.assertIsNone(self.ContextVar("a", default=None).get())

    def test_are_got_in_the_order_value_argument_default(self):
        variable = self.ContextVar("d", default=5)
        self.assertEqual(variable.get(), 5)
        self.assertEqual(variable.get(7), 7)
        self.assertIsNone(variable.get(None))
        variable.set(None)
        self.assertIsNone(variable.get())
        self.assertIsNone(variable.get(7))

    def test_that_are_not_set_raise_a_lookup_error_of_the_variable(self):
        variable = self.ContextVar("missing")
        error = self.assert_raises_text(LookupError, repr(variable), variable.get)
        self.assertIs(type(error), LookupError)
        self.assertIs(error.args[0], variable)
        self.assertEqual(len(error.args), 1)

    def test_take_positional_arguments_only(self):
        variable = self.ContextVar("a")
        token = variable.set(0)
        for call in (
            lambda: variable.get(default=1),
            lambda: variable.get(1, 2),
            lambda: variable.set(),
            lambda: variable.set(1, 2),
            lambda: variable.set(value=1),
            lambda: variable.reset(),
            lambda: variable.reset(token, token),
            lambda: variable.reset(token=token),
        ):
            self.assertRaises(TypeError, call)
        self.assertEqual(variable.get(), 0)

    def test_give_a_new_token_for_the_same_value(self):
        variable, value = self.ContextVar("a"), object()
        first, second = variable.set(value), variable.set(value)
        self.assertIsNot(first, second)
        self.assertIs(second.old_value, value)
        variable.reset(second)
        self.assertIs(variable.get(), value)
        variable.reset(first)
        self.assertIsNone(variable.get(None))

    def test_get_on_a_thread_without_a_context_makes_none(self):
        variable, seen = self.ContextVar("a", default=1), []

        def contexts():
            return sum(type(x) is self.Context for x in gc.get_objects())

        def body():
            before = contexts()
            variable.get()
            seen.append(contexts() - before)
            variable.set(1)
            seen.append(contexts() - before)

        gc.collect()
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        self.assertEqual(seen, [0, 1])

    def test_hash_by_name_and_address(self):
        variable = self.ContextVar("a")
        self.assertEqual(hash(variable), hash(variable))
        expected = hash("a") ^ object.__hash__(variable)
        self.assertEqual(hash(variable), -2 if expected == -1 else expected)

    def test_hash_their_name_once(self):
        hashed = []

        class Name(str):
            def __hash__(self):
                hashed.append(self)
                return 7

        variable = self.ContextVar(Name("a"))
        variable.set(1)
        hash(variable), self.copy_context()[variable]
        self.assertEqual(len(hashed), 1)

    def test_show_their_name_and_default(self):
        at = " at " + hex(id(variable := self.ContextVar("a")))
        self.assertEqual(repr(variable), f"<ContextVar name='a'{at}>")
        variable = self.ContextVar("it's", default=["x"])
        self.assertEqual(repr(variable), f"""<ContextVar name="it's" default=['x'] at {hex(id(variable))}>""")

    def test_show_a_default_that_holds_the_variable(self):
        default = []
        variable = self.ContextVar("a", default=default)
        default.append(variable)
        inner = f"<ContextVar name='a' default=[...] at {hex(id(variable))}>"
        self.assertEqual(repr(variable), inner.replace("[...]", f"[{inner}]"))

    def test_pass_on_what_the_repr_of_a_default_raises(self):
        class Default:
            def __repr__(self):
                raise ZeroDivisionError

        variable = self.ContextVar("a", default=Default())
        self.assertRaises(ZeroDivisionError, repr, variable)
        self.assertRaises(ZeroDivisionError, repr, self.ContextVar("b").set(variable) and variable.set(1))

    def test_cannot_be_weakly_referenced(self):
        variable = self.ContextVar("a")
        self.assertRaisesRegex(TypeError, "cannot create weak reference", weakref.ref, variable)

    def test_are_tracked_by_the_collector_only_where_it_matters(self):
        self.assertFalse(gc.is_tracked(self.ContextVar("a")))
        self.assertFalse(gc.is_tracked(self.ContextVar("a", default=1)))
        self.assertTrue(gc.is_tracked(self.ContextVar("a", default=[])))

    def test_in_a_cycle_with_their_default_are_collected(self):
        default = Probe()
        default.variable = self.ContextVar("a", default=default)
        died = weakref.ref(default)
        del default
        gc.collect()
        self.assertIsNone(died())

    def test_die_with_their_last_reference(self):
        class Name(str):
            pass

        name = Name("a")
        died = weakref.ref(name)
        variable = self.ContextVar(name)
        del name
        variable.get(None)
        self.assertIsNotNone(died())
        del variable
        self.assertIsNone(died())


class Resets(Case):
    def setUp(self):
        super().setUp()
        self.variable = self.ContextVar("a")

    def test_check_the_type_first(self):
        for wrong in (None, 1, self.variable, self.Token):
            text = f"expected an instance of Token, got {wrong!r}"
            self.assert_raises_text(TypeError, text, self.variable.reset, wrong)

    def test_check_use_before_the_variable_and_the_variable_before_the_context(self):
        token = self.variable.set(1)
        other = self.ContextVar("b")
        elsewhere = self.Context()

        def text(what):
            return f"{token!r} {what}"

        created = "was created "
        wrong_variable = text(created + "by a different ContextVar")
        self.assert_raises_text(ValueError, wrong_variable, elsewhere.run, other.reset, token)
        self.assert_raises_text(ValueError, wrong_variable, other.reset, token)
        wrong_context = text(created + "in a different Context")
        self.assert_raises_text(ValueError, wrong_context, elsewhere.run, self.variable.reset, token)
        self.variable.reset(token)
        used = text("has already been used once")
        self.assert_raises_text(RuntimeError, used, elsewhere.run, other.reset, token)
        self.assert_raises_text(RuntimeError, used, self.variable.reset, token)

    def test_that_fail_do_not_use_the_token(self):
        token = self.variable.set(1)
        self.assertRaises(ValueError, self.ContextVar("b").reset, token)
        self.assertRaises(ValueError, self.Context().run, self.variable.reset, token)
        self.assertRaises(ValueError, self.copy_context().run, self.variable.reset, token)
        self.assertIsNone(self.variable.reset(token))
        self.assertIsNone(self.variable.get(None))

    def test_need_not_be_in_order(self):
        first, second = self.variable.set(1), self.variable.set(2)
        self.variable.reset(first)
        self.assertIsNone(self.variable.get(None))
        self.variable.reset(second)
        self.assertEqual(self.variable.get(), 1)

    def test_remove_the_variable_where_it_was_missing(self):
        token = self.variable.set(1)
        self.variable.reset(token)
        self.assertNotIn(self.variable, self.copy_context())
        self.assertEqual(len(self.copy_context()), 0)

    def test_work_again_where_the_context_is_entered_again(self):
        context = self.Context()
        token = context.run(self.variable.set, 1)
        thread = threading.Thread(target=context.run, args=(self.variable.reset, token))
        thread.start()
        thread.join()
        self.assertNotIn(self.variable, context)

    def test_in_another_threads_own_context_fail(self):
        outcome = []

        def body():
            try:
                self.variable.reset(token)
            except ValueError as error:
                outcome.append(str(error))

        def first():
            nonlocal token
            token = self.variable.set(1)

        token = None
        for target in (first, body):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        self.assertEqual(outcome, [f"{token!r} was created in a different Context"])

    def test_show_no_change_in_copies(self):
        token = self.variable.set(1)
        copied = self.copy_context()
        self.variable.reset(token)
        self.assertEqual(copied[self.variable], 1)


class Tokens(Case):
    def setUp(self):
        super().setUp()
        self.variable = self.ContextVar("a", default=5)

    def test_cannot_be_made_by_hand(self):
        for arguments in ((), (1,), (self.variable, 1)):
            self.assert_raises_text(
                RuntimeError, "Tokens can only be created by ContextVars", self.Token, *arguments
            )

    def test_know_the_variable_and_its_value_before_also_when_used(self):
        token = self.variable.set(1)
        self.assertIs(token.var, self.variable)
        self.assertIs(token.old_value, self.Token.MISSING)
        second = self.variable.set(2)
        self.assertEqual(second.old_value, 1)
        self.variable.reset(second)
        self.assertEqual((second.var, second.old_value), (self.variable, 1))

    def test_are_read_only(self):
        token = self.variable.set(1)
        for name in ("var", "old_value", "foo"):
            with self.assertRaises(AttributeError):
                setattr(token, name, 1)
        with self.assertRaises(AttributeError):
            del token.var
        self.assertFalse(hasattr(token, "__dict__"))

    def test_have_one_marker_of_what_was_missing(self):
        missing = self.Token.MISSING
        self.assertIs(self.variable.set(1).old_value, missing)
        self.assertEqual(repr(missing), "<Token.MISSING>")
        self.assertEqual(repr(type(missing)), "<class 'Token.MISSING'>")
        self.assertTrue(missing)
        self.assertRaises(TypeError, type(missing))
        for kept in (pickle.dumps, copy.copy, copy.deepcopy):
            self.assertRaisesRegex(TypeError, "cannot pickle", kept, missing)
        with self.assertRaises(TypeError):
            self.Token.MISSING = 1

    def test_show_the_variable_and_whether_they_are_used(self):
        token = self.variable.set(1)
        rest = f"var={self.variable!r} at {hex(id(token))}>"
        self.assertEqual(repr(token), "<Token " + rest)
        self.variable.reset(token)
        self.assertEqual(repr(token), "<Token used " + rest)

    def test_are_not_hashable_and_equal_to_themselves_only(self):
        token, other = self.variable.set(1), self.variable.set(1)
        self.assertRaisesRegex(TypeError, "unhashable type", hash, token)
        self.assertTrue(token == token and token != other)

    def test_cannot_be_weakly_referenced(self):
        self.assertRaisesRegex(TypeError, "cannot create weak reference", weakref.ref, self.variable.set(1))

    def test_hold_what_they_know_also_when_used(self):
        value = Probe()
        context, died = self.Context(), weakref.ref(value)
        context_died = weakref.ref(context)
        context.run(self.variable.set, value)
        token = context.run(self.variable.set, 1)
        context.run(self.variable.reset, token)
        context.run(self.variable.set, 2)
        del value, context
        gc.collect()
        self.assertIsNotNone(died())
        self.assertIsNotNone(context_died())
        del token
        self.assertIsNone(died())
        self.assertIsNone(context_died())

    def test_in_their_own_context_are_collected(self):
        context, value = self.Context(), Probe()
        died, value_died = weakref.ref(context), weakref.ref(value)
        context.run(self.variable.set, value)
        context.run(lambda: self.variable.set(self.variable.set(1)))
        del context, value
        gc.collect()
        self.assertIsNone(died())
        self.assertIsNone(value_died())


class Contexts(Case):
    def setUp(self):
        super().setUp()
        self.variable = self.ContextVar("a", default=5)
        self.context = self.Context()

    def test_are_empty_at_first_and_take_no_arguments(self):
        text = "Context() does not accept any arguments"
        self.assert_raises_text(TypeError, text, self.Context, 1)
        self.assert_raises_text(TypeError, text, self.Context, a=1)
        self.assertEqual(len(self.Context(**{})), 0)
        self.assertFalse(self.context)

    def test_show_nothing_of_what_they_hold(self):
        self.context.run(self.variable.set, 1)
        self.assertRegex(repr(self.context), rf"^<\w+\.Context object at {hex(id(self.context))}>$")

    def test_are_not_hashable_but_weakly_referenceable(self):
        self.assertRaisesRegex(TypeError, "unhashable type", hash, self.context)
        died = weakref.ref(self.context)
        self.assertIs(died(), self.context)
        del self.context
        self.assertIsNone(died())

    def test_pass_all_named_arguments_to_the_callable(self):
        def function(*arguments, **named):
            return arguments, named

        self.assertEqual(
            self.context.run(function, 1, self=2, callable=3), ((1,), {"self": 2, "callable": 3})
        )

    def test_run_needs_something_that_can_be_called(self):
        text = "run() missing 1 required positional argument"
        self.assert_raises_text(TypeError, text, self.context.run)
        self.assert_raises_text(TypeError, text, self.context.run, callable=len)
        self.assert_raises_text(TypeError, "'int' object is not callable", self.context.run, 1)
        self.assertIsNone(self.context.run(lambda: None))

    def test_cannot_be_entered_twice(self):
        text = f"cannot enter context: {self.context!r} is already entered"
        inner = self.Context()
        for function in (
            lambda: self.context.run(len, ()),
            lambda: self.context.run(1),  # which is not called
            lambda: inner.run(self.context.run, len, ()),
            lambda: inner.run(inner.copy().run, self.context.run, len, ()),
        ):
            self.assert_raises_text(RuntimeError, text, self.context.run, function)
        self.assertEqual(self.context.run(len, ()), 0)

    def test_cannot_be_entered_on_two_threads(self):
        outcome = []

        def body():
            try:
                self.context.run(len, ())
            except RuntimeError as error:
                outcome.append(str(error))

        def inside():
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()

        self.context.run(inside)
        self.assertEqual(outcome, [f"cannot enter context: {self.context!r} is already entered"])
        body()
        self.assertEqual(len(outcome), 1)

    def test_keep_what_was_set_before_any_exception(self):
        for value, kind in enumerate((ZeroDivisionError, SystemExit, KeyboardInterrupt, GeneratorExit)):
            error = kind("e")

            def body():
                self.variable.set(value)
                raise error

            with self.assertRaises(kind) as raised:
                self.context.run(body)
            self.assertIs(raised.exception, error)
            self.assertEqual(self.context[self.variable], value)
            self.assertEqual(self.variable.get(), 5)

    def test_raise_a_key_error_of_the_variable(self):
        with self.assertRaises(KeyError) as raised:
            self.context[self.variable]
        self.assertEqual(raised.exception.args, (self.variable,))

    def test_have_variables_as_keys_only(self):
        for key in (1, "a", None, self.context):
            text = f"a ContextVar key was expected, got {key!r}"
            self.assert_raises_text(TypeError, text, self.context.__getitem__, key)
            self.assert_raises_text(TypeError, text, self.context.__contains__, key)
            self.assert_raises_text(TypeError, text, self.context.get, key)
            self.assert_raises_text(TypeError, text, self.context.get, key, 1)

    def test_know_nothing_of_defaults(self):
        self.assertNotIn(self.variable, self.context)
        self.assertIsNone(self.context.get(self.variable))
        self.assertEqual(self.context.get(self.variable, 7), 7)
        self.assertRaises(TypeError, self.context.get, self.variable, default=7)
        self.assertRaises(TypeError, self.context.get)
        self.assertRaises(TypeError, self.context.get, self.variable, 1, 2)

    def test_give_iterators_with_a_length_that_run_once(self):
        variables = [self.ContextVar(str(i)) for i in range(40)]
        for i, variable in enumerate(variables):
            self.context.run(variable.set, i)
        for iterator, expected in (
            (self.context.keys(), set(variables)),
            (iter(self.context), set(variables)),
            (self.context.values(), set(range(40))),
            (self.context.items(), set(zip(variables, range(40)))),
        ):
            self.assertIs(iter(iterator), iterator)
            self.assertEqual(len(iterator), 40)
            self.assertEqual(set(iterator), expected)
            self.assertEqual(len(iterator), 40)
            self.assertEqual(list(iterator), [])
        keys = self.context.keys()
        self.assertIn(variables[3], keys)
        self.assertNotIn(variables[3], keys)
        self.assertEqual(list(keys), [])
        self.assertEqual(
            [type(x).__name__ for x in (keys, self.context.values(), self.context.items())], ["keys", "values", "items"]
        )

    def test_give_iterators_over_what_they_held_then(self):
        variables = [self.ContextVar(str(i)) for i in range(40)]
        for variable in variables[:20]:
            self.context.run(variable.set, 0)
        items = self.context.items()
        next(items)
        for variable in variables:
            self.context.run(variable.set, 1)
        self.assertEqual({value for _, value in items}, {0})
        self.assertEqual(len(items), 20)

    def test_cannot_be_changed_as_a_mapping(self):
        with self.assertRaisesRegex(TypeError, "does not support item assignment"):
            self.context[self.variable] = 1
        with self.assertRaisesRegex(TypeError, "does not support item deletion"):
            del self.context[self.variable]
        for name in ("update", "clear", "pop", "popitem", "setdefault"):
            self.assertFalse(hasattr(self.context, name))
        self.assertRaises(TypeError, lambda: self.context | self.context)
        self.assertRaises(TypeError, reversed, self.context)

    def test_copies_are_not_entered(self):
        self.context.run(self.variable.set, 1)
        copied = self.context.run(self.context.copy)
        self.assertEqual(copied.run(self.variable.get), 1)
        inside = self.context.run(lambda: self.copy_context().run(self.variable.get))
        self.assertEqual(inside, 1)
        self.assertRaises(TypeError, self.context.copy, 1)

    def test_can_be_read_on_another_thread_while_they_are_entered(self):
        seen = []

        def inside():
            for value in (1, 2):
                self.variable.set(value)
                thread = threading.Thread(target=lambda: seen.append(self.context[self.variable]))
                thread.start()
                thread.join()

        self.context.run(inside)
        self.assertEqual(seen, [1, 2])

    def test_hold_variables_and_values(self):
        class Name(str):
            pass

        name, value = Name("a"), Probe()
        died, value_died = weakref.ref(name), weakref.ref(value)
        self.context.run(self.ContextVar(name).set, value)
        copied = self.context.copy()
        del name, value, self.context
        self.assertEqual(len(copied), 1)
        self.assertIsNotNone(died())
        self.assertIsNotNone(value_died())
        del copied
        self.assertIsNone(died())
        self.assertIsNone(value_died())

    def test_in_a_cycle_with_a_value_are_collected(self):
        # Of every size at which a map changes its form; the map is shared by two contexts in the cycle.
        for size in (1, 2, 9, 17, 40, 100, 1100):
            with self.subTest(size=size):
                context, value = self.Context(), Probe()
                died = weakref.ref(value)
                for i in range(size - 1):
                    context.run(self.ContextVar(str(i)).set, i)
                context.run(self.variable.set, value)
                value.contexts = context, context.copy()
                outer = weakref.ref(context)
                gc.collect()
                self.assertIs(context[self.variable], value)
                del context, value
                gc.collect()
                self.assertIsNone(died())
                self.assertIsNone(outer())

    def test_that_run_below_are_seen_by_the_collector(self):
        value = Probe()
        died = weakref.ref(value)
        self.context.run(self.variable.set, value)
        inner = self.Context()
        del value

        def inside():
            gc.collect()
            return died() is not None

        self.assertTrue(self.context.run(inner.run, inside))


class Equality(Case):
    def setUp(self):
        super().setUp()
        self.variable = self.ContextVar("a")
        self.one, self.other = self.Context(), self.Context()

    def set(self, one, other):
        self.one.run(self.variable.set, one)
        self.other.run(self.variable.set, other)

    def test_is_of_lengths_variables_and_values(self):
        self.assertTrue(self.one == self.other)
        self.set(1, 1.0)
        self.assertTrue(self.one == self.other and not self.one != self.other)
        self.other.run(self.ContextVar("b").set, 1)
        self.assertTrue(self.one != self.other and not self.one == self.other)
        self.one.run(self.ContextVar("b").set, 1)
        self.assertNotEqual(self.one, self.other)

    def test_takes_identity_first(self):
        nan = float("nan")
        self.set(nan, nan)
        self.assertEqual(self.one, self.other)
        self.set(nan, float("nan"))
        self.assertNotEqual(self.one, self.other)

    def test_passes_on_what_a_value_raises(self):
        class Value:
            def __eq__(self, other):
                raise ZeroDivisionError

        value = Value()
        self.set(value, value)
        self.assertEqual(self.one, self.other)
        self.set(value, Value())
        self.assertRaises(ZeroDivisionError, lambda: self.one == self.other)
        self.assertRaises(ZeroDivisionError, lambda: self.one != self.other)

    def test_is_with_contexts_only(self):
        for other in ({}, 1, None, self.variable):
            self.assertIs(self.one.__eq__(other), NotImplemented)
            self.assertFalse(self.one == other)
            self.assertTrue(self.one != other)
        self.assertRaises(TypeError, lambda: self.one < self.other)
        self.assertRaises(TypeError, lambda: self.one >= self.other)

    def test_does_not_mind_who_is_entered(self):
        self.assertTrue(self.one.run(lambda: self.one == self.other))


class Types(Case):
    def setUp(self):
        super().setUp()
        self.variable, self.context = self.ContextVar("a"), self.Context()
        self.token = self.variable.set(1)

    def test_cannot_be_subclassed(self):
        for base in (self.ContextVar, self.Context, self.Token):
            self.assertRaisesRegex(TypeError, "is not an acceptable base type", type, "Sub", (base,), {})

    def test_cannot_be_pickled_or_copied(self):
        for x in (self.variable, self.context, self.token):
            for function in (pickle.dumps, copy.copy, copy.deepcopy):
                self.assertRaisesRegex(TypeError, "cannot pickle", function, x)

    def test_are_immutable(self):
        for of in (self.ContextVar, self.Context, self.Token):
            self.assertRaisesRegex(TypeError, "immutable", setattr, of, "foo", 1)

    def test_of_variables_and_tokens_are_generic(self):
        for of in (self.ContextVar, self.Token):
            alias = of[int]
            self.assertIs(type(alias), types.GenericAlias)
            self.assertIs(alias.__origin__, of)
            self.assertEqual(alias.__args__, (int,))
        self.assertEqual(self.ContextVar[int]("x").name, "x")
        self.assertRaises(TypeError, lambda: self.Context[int])
        self.assertRaises(TypeError, lambda: self.variable[int])

    def test_offer_the_same_methods(self):
        for of in (self.ContextVar, self.Context, self.Token):
            missing = set(dir(getattr(builtin, of.__name__))) - set(dir(of))
            new = set(dir(of)) - set(dir(getattr(builtin, of.__name__)))
            self.assertEqual(missing, set())
            self.assertLessEqual(new, {"__module__"} | ({"__enter__", "__exit__"} if of is self.Token else set()))

    def test_check_their_own_arguments(self):
        self.assertRaises(TypeError, self.ContextVar.get, self.context)
        self.assertRaises(TypeError, self.Context.run, self.variable, len)
        self.assertRaises(TypeError, self.Context.__len__, self.variable)
        for of in (self.ContextVar, self.Context, self.Token):
            self.assertRaises(TypeError, object.__new__, of)


class CopyContext(Case):
    def test_takes_no_arguments(self):
        self.assertRaises(TypeError, self.copy_context, 1)
        self.assertRaises(TypeError, self.copy_context, context=1)

    def test_gives_equal_contexts_that_are_not_the_same(self):
        self.ContextVar("a").set(1)
        one, other = self.copy_context(), self.copy_context()
        self.assertEqual(one, other)
        self.assertIsNot(one, other)

    def test_on_a_new_thread_is_empty(self):
        self.ContextVar("a").set(1)
        copies = []
        thread = threading.Thread(target=lambda: copies.append(self.copy_context()))
        thread.start()
        thread.join()
        self.assertEqual(len(copies[0]), 0)


class Generators(Case):
    def test_have_no_context_of_their_own(self):
        variable = self.ContextVar("a", default=0)

        def generator():
            while True:
                yield variable.get()

        one, other = self.Context(), self.Context()
        one.run(variable.set, 1)
        other.run(variable.set, 2)
        values = generator()
        self.assertEqual([one.run(next, values), other.run(next, values), next(values)], [1, 2, 0])

    def test_change_the_context_of_who_resumes_them(self):
        variable = self.ContextVar("a", default=0)

        def generator():
            yield variable.set(1)

        values = generator()
        next(values)
        self.assertEqual(variable.get(), 1)


class Threads(Case):
    def test_end_with_their_context(self):
        variable, value = self.ContextVar("a"), Probe()
        died = weakref.ref(value)
        thread = threading.Thread(target=variable.set, args=(value,))
        del value
        thread.start()
        thread.join()
        del thread
        self.assertIsNone(died())


class Reentrancy(Case):
    """Values whose destruction runs code that uses the variable."""

    def test_a_value_that_reset_lets_go_of_sees_the_new_state(self):
        variable, seen = self.ContextVar("a"), []

        class Value:
            def __del__(self):
                seen.append((variable.get(None), variable in copy_context()))
                variable.set("from __del__")

        copy_context = self.copy_context
        token = variable.set(Value())
        variable.reset(token)
        self.assertEqual(seen, [(None, False)])
        self.assertEqual(variable.get(), "from __del__")

    def test_a_value_that_set_lets_go_of_sees_the_new_state(self):
        variable, seen = self.ContextVar("a"), []

        class Value:
            def __del__(self):
                seen.append(variable.get())

        variable.set(Value())  # the token is not kept
        variable.set(2)
        self.assertEqual(seen, [2])
        self.assertEqual(variable.get(), 2)

    def test_a_context_may_be_used_by_what_its_death_lets_go_of(self):
        variable, alive = self.ContextVar("a"), self.Context()

        class Value:
            def __del__(self):
                alive.run(variable.set, 1)

        context = self.Context()
        for i in range(50):
            context.run(self.ContextVar(str(i)).set, Value())
        del context
        self.assertEqual(alive[variable], 1)

    def test_many_values_that_hold_each_other_die_without_running_out_of_stack(self):
        variable = self.ContextVar("a")
        context = None
        for _ in range(100_000):
            outer = self.Context()
            outer.run(variable.set, context)
            context = outer
        del outer, context


class Names(unittest.TestCase):
    def test_the_module_has_what_the_built_in_one_has(self):
        self.assertEqual(
            {name for name in dir(builtin) if not name.startswith("_")},
            {name for name in dir(cppcontextvars) if not name.startswith("_")},
        )
        for name in ("Context", "ContextVar", "Token", "copy_context"):
            self.assertIsNot(getattr(builtin, name), getattr(cppcontextvars, name))


def load_tests(loader, tests, pattern):
    """Each case, with either module."""
    suite = unittest.TestSuite([loader.loadTestsFromTestCase(Names)])
    for case in Case.__subclasses__():
        for module in (builtin, cppcontextvars):
            name = f"{case.__name__}_of_{module.__name__.strip('_')}"
            suite.addTests(loader.loadTestsFromTestCase(type(name, (case,), {"module": module})))
    return suite


if __name__ == "__main__":
    unittest.main()
