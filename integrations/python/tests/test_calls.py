# SPDX-License-Identifier: MIT
"""Calls from Python to C++, and through C++ back to Python."""
import contextvars
import unittest

import bridged
import bridged_too


class InAContext(unittest.TestCase):
    """Each test runs in an empty context."""

    def run(self, result=None):
        return contextvars.Context().run(super().run, result)


class Call(InAContext):
    def test_sees_what_an_earlier_one_set(self):
        self.assertIsNone(bridged.get())
        bridged.set(1)
        self.assertEqual(bridged.get(), 1)

    def test_in_a_copied_context_changes_nothing_outside(self):
        bridged.set(1)
        context = contextvars.copy_context()
        context.run(bridged.set, 2)
        self.assertEqual(bridged.get(), 1)
        self.assertEqual(context.run(bridged.get), 2)
        self.assertIsNone(contextvars.Context().run(bridged.get))

    def test_that_sets_nothing_stores_nothing(self):
        bridged.set(1)
        before = dict(contextvars.copy_context())
        bridged.get()
        bridged.get_without_gil()
        after = dict(contextvars.copy_context())
        self.assertEqual(len(before), 1)
        self.assertTrue(all(after[variable] is value for variable, value in before.items()))

    def test_that_only_reads_binds_nothing(self):
        bridged.get()
        self.assertEqual(len(contextvars.copy_context()), 0)

    def test_may_release_the_gil(self):
        bridged.set_without_gil(3)
        self.assertEqual(bridged.get_without_gil(), 3)
        self.assertEqual(bridged.get(), 3)

    def test_without_the_gil_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "GIL is not held"):
            bridged.scope_without_gil()

    def test_with_many_variables_shares_them_with_copies(self):
        bridged.set_many(0, 200)
        contexts = [contextvars.copy_context() for _ in range(10)]
        for i, context in enumerate(contexts):
            self.assertEqual(context.run(bridged.set_many, i, 200), sum(range(200)))
        for i, context in enumerate(contexts):
            self.assertEqual(context.run(bridged.set_many, 0, 200), sum(range(i, i + 200)))

    def test_token_of_an_earlier_one_is_good_in_the_same_context(self):
        bridged.set(1)
        token = bridged.kept_token(2)
        self.assertEqual(bridged.get(), 2)
        token.reset()
        self.assertEqual(bridged.get(), 1)

    def test_token_of_another_context_is_refused(self):
        bridged.set(1)
        token = bridged.kept_token(2)
        with self.assertRaisesRegex(ValueError, "was created in a different Context"):
            contextvars.copy_context().run(token.reset)
        with self.assertRaisesRegex(ValueError, "was created in a different Context"):
            contextvars.Context().run(token.reset)
        token.reset()
        with self.assertRaisesRegex(RuntimeError, "has already been used once"):
            token.reset()

    def test_is_not_disturbed_by_what_python_code_sets_in_the_built_in_variable(self):
        bridged.set(1)
        (variable,) = contextvars.copy_context()
        for junk in (None, 1, object(), variable):
            variable.set(junk)
            self.assertIsNone(bridged.get())
            bridged.set(2)
            self.assertEqual(bridged.get(), 2)

    def test_sees_a_context_that_was_copied_back_by_hand(self):
        # As asgiref's sync_to_async and pytest-asyncio do it.
        context = contextvars.copy_context()
        context.run(bridged.set, 4)
        for variable in context:
            variable.set(context[variable])
        self.assertEqual(bridged.get(), 4)
        bridged.set(5)
        self.assertEqual(context.run(bridged.get), 4)

    def test_of_two_modules_act_on_one_context(self):
        bridged.set(1)
        bridged_too.set(2)
        context = contextvars.copy_context()
        self.assertEqual(len(context), 1)
        self.assertEqual((context.run(bridged.get), context.run(bridged_too.get)), (1, 2))


class Exception_(InAContext):
    def test_of_cpp_keeps_what_was_set_before_it(self):
        with self.assertRaisesRegex(RuntimeError, "^oops$"):
            bridged.set_and_raise(1, "oops")
        self.assertEqual(bridged.get(), 1)

    def test_of_this_library_is_python_s_of_the_same_name(self):
        for error in (LookupError, KeyError, ValueError):
            with self.assertRaises(error) as raised:
                bridged.set_and_raise(1, error.__name__)
            self.assertIs(type(raised.exception), error)

    def test_of_python_passes_through_cpp(self):
        class Mine(Exception):
            pass

        def callback():
            bridged.set(2)
            raise Mine("mine")

        with self.assertRaisesRegex(Mine, "^mine$"):
            bridged.set_and_call(1, callback)
        self.assertEqual(bridged.get(), 2)

    def test_of_python_may_be_caught_by_cpp(self):
        def callback():
            bridged.set(2)
            raise ValueError

        self.assertEqual(bridged.call_catching(1, callback), 2)
        self.assertEqual(bridged.get(), 2)

    def test_of_cpp_passes_python_and_cpp(self):
        with self.assertRaisesRegex(RuntimeError, "^inner$"):
            bridged.set_and_call(1, lambda: bridged.set_and_raise(3, "inner"))
        self.assertEqual(bridged.get(), 3)

    def test_of_a_system_exit_passes(self):
        def leave():
            raise SystemExit(3)

        with self.assertRaises(SystemExit):
            bridged.set_and_call(1, leave)


class NestedCall(InAContext):
    def test_sees_what_its_caller_has_set(self):
        self.assertEqual(bridged.set_and_call(1, bridged.get), (1, 1))

    def test_gives_its_caller_what_it_set(self):
        self.assertEqual(bridged.set_and_call(1, lambda: bridged.set(2)), (None, 2))
        self.assertEqual(bridged.get(), 2)

    def test_that_changes_nothing_leaves_the_caller_s(self):
        self.assertEqual(bridged.set_and_call(1, lambda: None), (None, 1))
        self.assertEqual(bridged.get(), 1)

    def test_ever_so_deep_is_one_context(self):
        def deeper(level):
            if level == 0:
                return bridged.get()
            return bridged.set_and_call(level, lambda: deeper(level - 1))

        result = deeper(20)
        for _ in range(20):
            result, seen = result
            self.assertEqual(seen, 1)
        self.assertEqual(result, 1)
        self.assertEqual(bridged.get(), 1)

    def test_in_another_context_leaves_the_caller_s(self):
        def elsewhere():
            contextvars.copy_context().run(bridged.set, 9)

        self.assertEqual(bridged.set_and_call(1, elsewhere), (None, 1))

    def test_leaves_the_caller_s_tokens_good(self):
        self.assertEqual(bridged.set_call_and_reset(1, lambda: bridged.set(2)), 2)
        self.assertIsNone(bridged.get())

    def test_makes_a_token_that_is_good_later(self):
        tokens = []
        bridged.set(0)
        bridged.set_and_call(1, lambda: tokens.append(bridged.kept_token(2)))
        self.assertEqual(bridged.get(), 2)
        tokens[0].reset()
        self.assertEqual(bridged.get(), 1)

    def test_of_a_function_without_a_scope_is_in_the_context_that_the_thread_has_in_cpp(self):
        bridged.set(1)
        self.assertIsNone(bridged.call_outside_of_a_scope(bridged.get))

    def test_after_the_gil_was_released_is_in_the_same_context(self):
        self.assertEqual(bridged.release_and_call(1, lambda: bridged.set(bridged.get() + 1)), 2)
        self.assertEqual(bridged.get(), 2)

    def test_through_a_second_module_is_in_the_same_context(self):
        self.assertEqual(bridged.set_and_call(1, lambda: bridged_too.call(bridged.get)), (1, 1))
        self.assertEqual(bridged_too.call(lambda: bridged.set_and_call(5, bridged.get)), (5, 5))
        self.assertEqual(bridged.get(), 5)

    def test_through_a_second_module_that_has_no_scope_is_in_the_same_context(self):
        variable = contextvars.ContextVar("variable")

        def callback():
            bridged.set(2)
            variable.set("not in a copy")

        self.assertEqual(
            bridged.set_and_call(1, lambda: bridged_too.call_in_the_caller_s_scope(callback)),
            (None, 2))
        self.assertEqual((bridged.get(), variable.get()), (2, "not in a copy"))

    def test_sees_variables_of_python_of_the_caller(self):
        variable = contextvars.ContextVar("variable")
        variable.set("before")

        def callback():
            seen = variable.get()
            variable.set("after")
            return seen

        self.assertEqual(bridged.set_and_call(1, callback), ("before", 1))
        self.assertEqual(variable.get(), "after")


class CallFromAContextOfCpp(InAContext):
    def test_is_in_that_context(self):
        bridged.set(1)
        self.assertEqual(bridged.call_in_a_context_of_its_own(2, bridged.get), (2, 2, 1))
        self.assertEqual(bridged.get(), 1)

    def test_gives_it_what_python_s_side_sets(self):
        bridged.set(1)
        result = bridged.call_in_a_context_of_its_own(2, lambda: bridged.set(3))
        self.assertEqual(result, (None, 3, 1))
        self.assertEqual(bridged.get(), 1)

    def test_has_a_copy_of_python_s_variables(self):
        variable = contextvars.ContextVar("variable")
        variable.set("before")

        def callback():
            seen = variable.get()
            variable.set("lost")
            return seen

        self.assertEqual(bridged.call_in_a_context_of_its_own(2, callback)[0], "before")
        self.assertEqual(variable.get(), "before")

    def test_may_bring_the_first_binding(self):
        self.assertEqual(bridged.call_in_an_empty_context(lambda: bridged.set(7)), 7)
        self.assertIsNone(bridged.get())

    def test_changes_the_context_object_that_cpp_runs_it_in(self):
        def callback():
            bridged.set(bridged.get() + 1)

        self.assertEqual(bridged.call_in_a_context_object(1, callback), 2)
        self.assertEqual(bridged.call_in_a_context_object(1, lambda: None), 1)
        self.assertIsNone(bridged.get())

    def test_changes_the_flow_that_cpp_resumes(self):
        bridged.set(0)

        def callback():
            bridged.set(bridged.get() + 1)

        self.assertEqual(bridged.call_in_a_flow(callback), (0, 2, 0))
        self.assertEqual(bridged.get(), 0)

    def test_has_tokens_of_its_own(self):
        tokens = []

        def callback():
            bridged.set(1)
            tokens.append(bridged.kept_token(2))
            tokens.append(bridged.kept_token(3))
            tokens.pop().reset()

        self.assertEqual(bridged.call_in_an_empty_context(callback), 2)
        with self.assertRaises(ValueError):
            tokens[0].reset()

    def test_may_reset_what_an_earlier_one_set_in_it(self):
        tokens = []
        seen = []

        def callback():
            if tokens:
                tokens.pop().reset()
            else:
                tokens.append(bridged.kept_token(5))
            seen.append(bridged.get())

        self.assertIsNone(bridged.call_in_an_empty_context(callback, times=2))
        self.assertEqual(seen, [5, None])
        seen.clear()
        self.assertEqual(bridged.call_in_a_flow(callback), (None, 5, None))
        self.assertEqual(seen, [5, 1])

    def test_passes_exceptions(self):
        def callback():
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            bridged.call_in_a_context_of_its_own(2, callback)
        self.assertIsNone(bridged.get())


if __name__ == "__main__":
    unittest.main()
