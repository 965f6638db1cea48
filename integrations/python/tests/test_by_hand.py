# SPDX-License-Identifier: MIT
"""The bridge by Python's C API alone."""
import contextvars
import unittest

import by_hand


class ByHand(unittest.TestCase):
    def run(self, result=None):
        return contextvars.Context().run(super().run, result)

    def test_a_call_sees_what_an_earlier_one_set(self):
        self.assertEqual(by_hand.get_word(), "missing")
        by_hand.set_word("ann")
        self.assertEqual(by_hand.get_word(), "ann")
        self.assertEqual(contextvars.Context().run(by_hand.get_word), "missing")

    def test_an_error_that_is_set_passes(self):
        with self.assertRaises(TypeError):
            by_hand.set_word(1)

    def test_what_was_set_before_an_error_stays(self):
        with self.assertRaisesRegex(KeyError, "text"):
            by_hand.set_word_and_fail(KeyError)
        self.assertEqual(by_hand.get_word(), "before the error")

    def test_a_nested_call_is_in_the_same_context(self):
        def callback():
            self.assertEqual(by_hand.get_word(), "outer")
            by_hand.set_word("inner")

        self.assertEqual(by_hand.set_and_call("outer", callback), "inner")

    def test_an_error_of_a_callback_passes_and_what_was_set_stays(self):
        def callback():
            by_hand.set_word("before the error")
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            by_hand.set_and_call("outer", callback)
        self.assertEqual(by_hand.get_word(), "before the error")

    def test_exceptions_become_python_s_and_what_was_set_stays(self):
        errors = [LookupError, KeyError, ValueError, RuntimeError, MemoryError, RuntimeError,
                  RuntimeError]
        for kind, error in enumerate(errors):
            with self.subTest(error=error):
                with self.assertRaises(error) as raised:
                    contextvars.Context().run(by_hand.set_and_throw, kind)
                self.assertIs(type(raised.exception), error)
        with self.assertRaises(RuntimeError):
            by_hand.set_and_throw(6)
        self.assertEqual(by_hand.get_word(), "before the throw")

    def test_a_scope_without_the_gil_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "GIL is not held"):
            by_hand.without_the_gil()

    def test_an_exposed_variable_converts_by_the_functions_given(self):
        token = by_hand.number.set(5)
        self.assertEqual(by_hand.number.get(), 5)
        self.assertIs(token.old_value, contextvars.Token.MISSING)
        with self.assertRaises(TypeError):
            by_hand.number.set("five")
        with self.assertRaises(OverflowError):
            by_hand.number.set(2**80)
        by_hand.number.reset(token)
        self.assertEqual(by_hand.number.get(), 7)


if __name__ == "__main__":
    unittest.main()
