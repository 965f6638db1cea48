# SPDX-License-Identifier: MIT
"""Variables of C++ as objects of Python."""
import contextvars
import copy
import gc
import unittest
import weakref

import bridged
import bridged_too
from test_calls import InAContext


class Get(InAContext):
    def test_returns_what_cpp_has_set(self):
        bridged.set(3)
        self.assertEqual(bridged.number.get(), 3)

    def test_of_a_missing_variable_is_a_lookup_error_that_carries_the_variable(self):
        with self.assertRaises(LookupError) as raised:
            bridged.number.get()
        self.assertIs(type(raised.exception), LookupError)
        self.assertIs(raised.exception.args[0], bridged.number)

    def test_prefers_the_binding_then_the_argument_then_the_default(self):
        variable = bridged.with_default
        self.assertEqual(variable.get(), 42)
        self.assertEqual(variable.get(7), 7)
        self.assertIsNone(variable.get(None))
        variable.set(1)
        self.assertEqual(variable.get(7), 1)

    def test_returns_any_argument_as_it_is(self):
        otherwise = object()
        self.assertIs(bridged.number.get(otherwise), otherwise)

    def test_of_what_does_not_convert_is_a_type_error(self):
        with self.assertRaisesRegex(TypeError, "inconvertible_type"):
            bridged.inconvertible.get()

    def test_takes_one_argument_by_position(self):
        with self.assertRaises(TypeError):
            bridged.number.get(1, 2)
        with self.assertRaises(TypeError):
            bridged.number.get(default=1)


class Set(InAContext):
    def test_is_seen_by_cpp(self):
        bridged.number.set(5)
        self.assertEqual(bridged.get(), 5)

    def test_in_a_copied_context_changes_nothing_outside(self):
        bridged.number.set(1)
        contextvars.copy_context().run(bridged.number.set, 2)
        self.assertEqual(bridged.number.get(), 1)

    def test_converts_by_the_casters(self):
        bridged.name.set("ann")
        bridged.numbers.set([1, 2, 3])
        self.assertEqual((bridged.name.get(), bridged.numbers.get()), ("ann", [1, 2, 3]))

    def test_of_what_does_not_convert_is_a_type_error_and_changes_nothing(self):
        bridged.number.set(1)
        for wrong in ("one", None, 1.5, 2**80):
            with self.assertRaisesRegex(TypeError, "does not convert to int"):
                bridged.number.set(wrong)
        self.assertEqual(bridged.number.get(), 1)

    def test_returns_a_token_that_knows_the_variable_and_the_old_value(self):
        first = bridged.name.set("ann")
        second = bridged.name.set("bob")
        self.assertIs(first.var, bridged.name)
        self.assertIs(first.old_value, contextvars.Token.MISSING)
        self.assertEqual(second.old_value, "ann")
        bridged.name.reset(second)
        self.assertEqual(second.old_value, "ann")


class Reset(InAContext):
    def test_restores_the_old_value(self):
        bridged.number.set(1)
        token = bridged.number.set(2)
        self.assertIsNone(bridged.number.reset(token))
        self.assertEqual(bridged.get(), 1)

    def test_of_the_first_set_makes_the_variable_missing(self):
        bridged.number.reset(bridged.number.set(2))
        self.assertIsNone(bridged.get())
        bridged.with_default.reset(bridged.with_default.set(2))
        self.assertEqual(bridged.with_default.get(), 42)

    def test_need_not_be_in_order(self):
        first = bridged.number.set(1)
        second = bridged.number.set(2)
        bridged.number.reset(first)
        self.assertIsNone(bridged.get())
        bridged.number.reset(second)
        self.assertEqual(bridged.get(), 1)

    def test_of_what_is_no_token_is_a_type_error(self):
        built_in = contextvars.ContextVar("built_in").set(1)
        for wrong in (None, 1, built_in):
            with self.assertRaisesRegex(TypeError, "expected an instance of Token, got"):
                bridged.number.reset(wrong)

    def test_of_a_used_token_is_a_runtime_error(self):
        token = bridged.number.set(1)
        bridged.number.reset(token)
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            bridged.number.reset(token)
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            bridged.name.reset(token)

    def test_of_another_variable_s_token_is_a_value_error_and_leaves_it_good(self):
        token = bridged.number.set(1)
        with self.assertRaisesRegex(ValueError, "was created by a different ContextVar"):
            bridged.with_default.reset(token)
        bridged.number.reset(token)
        self.assertIsNone(bridged.get())

    def test_of_another_context_s_token_is_a_value_error_and_leaves_it_good(self):
        token = bridged.number.set(1)
        for context in (contextvars.copy_context(), contextvars.Context()):
            with self.assertRaisesRegex(ValueError, "was created in a different Context"):
                context.run(bridged.number.reset, token)
        bridged.number.reset(token)
        self.assertIsNone(bridged.get())

    def test_works_when_the_context_is_entered_again(self):
        context = contextvars.Context()
        token = context.run(bridged.number.set, 1)
        context.run(bridged.number.reset, token)
        self.assertIsNone(context.run(bridged.get))

    def test_works_where_bindings_were_copied_back_by_hand(self):
        token = bridged.number.set(1)
        context = contextvars.copy_context()
        context.run(bridged.number.set, 2)
        for variable in context:
            variable.set(context[variable])
        self.assertEqual(bridged.get(), 2)
        bridged.number.reset(token)
        self.assertIsNone(bridged.get())

    def test_of_a_token_of_another_module(self):
        token = bridged.number.set(1)
        with self.assertRaisesRegex(ValueError, "was created by a different ContextVar"):
            bridged_too.number.reset(token)


class Token(InAContext):
    def test_is_a_context_manager(self):
        with bridged.number.set(1) as token:
            self.assertIs(token.var, bridged.number)
            self.assertEqual(bridged.get(), 1)
        self.assertIsNone(bridged.get())
        with self.assertRaises(ZeroDivisionError):
            with bridged.number.set(1):
                1 / 0
        self.assertIsNone(bridged.get())

    def test_that_was_reset_inside_is_an_error_at_the_end(self):
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            with bridged.number.set(1) as token:
                bridged.number.reset(token)

    def test_prints_as_python_s(self):
        token = bridged.number.set(1)
        self.assertRegex(repr(token), "^<Token var=<ContextVar name='number' at 0x.*> at 0x.*>$")
        bridged.number.reset(token)
        self.assertRegex(repr(token), "^<Token used var=<ContextVar name='number' at 0x")

    def test_cannot_be_made_hashed_or_copied(self):
        token = bridged.number.set(1)
        with self.assertRaises(TypeError):
            type(token)()
        with self.assertRaises(TypeError):
            hash(token)
        with self.assertRaises(TypeError):
            copy.copy(token)

    def test_in_a_cycle_with_its_context_is_collected(self):
        class Canary:
            pass

        canary = Canary()
        gone = weakref.ref(canary)
        variable = contextvars.ContextVar("variable")

        def cycle():
            token = bridged.number.set(1)
            variable.set((token, canary))

        contextvars.Context().run(cycle)
        del canary
        gc.collect()
        self.assertIsNone(gone())


class Variable(unittest.TestCase):
    def test_has_a_name_that_cannot_be_changed(self):
        self.assertEqual(bridged.number.name, "number")
        with self.assertRaises(AttributeError):
            bridged.number.name = "other"

    def test_prints_as_python_s(self):
        self.assertRegex(repr(bridged.number), "^<ContextVar name='number' at 0x[0-9a-f]+>$")

    def test_is_equal_to_itself_only(self):
        self.assertEqual(bridged.number, bridged.number)
        self.assertNotEqual(bridged.number, bridged.name)
        self.assertEqual(len({bridged.number, bridged.number, bridged.name}), 2)

    def test_cannot_be_made_copied_or_derived_from(self):
        with self.assertRaises(TypeError):
            type(bridged.number)("v")
        with self.assertRaises(TypeError):
            copy.copy(bridged.number)
        with self.assertRaises(TypeError):
            type("derived", (type(bridged.number),), {})

    def test_is_of_one_type_in_all_modules(self):
        self.assertIs(type(bridged.number), type(bridged_too.number))


if __name__ == "__main__":
    unittest.main()
