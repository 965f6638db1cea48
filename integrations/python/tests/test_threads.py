# SPDX-License-Identifier: MIT
"""Threads: Python's, and C++'s that call Python."""
import contextvars
import threading
import unittest

import bridged


class PythonThread(unittest.TestCase):
    def test_begins_with_nothing(self):
        seen = []

        def run():
            seen.append(bridged.get())
            bridged.set(2)
            seen.append(bridged.get())

        def main():
            bridged.set(1)
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            self.assertEqual(bridged.get(), 1)

        contextvars.Context().run(main)
        self.assertEqual(seen, [None, 2])

    def test_runs_in_a_context_it_is_given(self):
        context = contextvars.Context()
        context.run(bridged.set, 1)
        thread = threading.Thread(target=context.run, args=(bridged.set_without_gil, 2))
        thread.start()
        thread.join()
        self.assertEqual(context.run(bridged.get), 2)

    def test_at_the_same_time_as_others_sees_its_own(self):
        wrong = []

        def run(own):
            bridged.set_many(own, 40)
            for step in range(300):
                bridged.set_without_gil(own + step)
                if bridged.get_without_gil() != own + step:
                    wrong.append(own)
            if bridged.set_many(0, 40) != sum(range(own, own + 40)):
                wrong.append(own)

        threads = [threading.Thread(target=run, args=(1000 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_may_share_bindings_with_others_that_change_them(self):
        def prepare():
            bridged.set_many(0, 100)
            return [contextvars.copy_context() for _ in range(8)]

        contexts = contextvars.Context().run(prepare)
        sums = {}

        def run(i):
            sums[i] = [bridged.set_many(i, 100) for _ in range(50)]

        threads = [threading.Thread(target=context.run, args=(run, i))
                   for i, context in enumerate(contexts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i in range(8):
            self.assertEqual(sums[i], [sum(range(100))] + 49 * [sum(range(i, i + 100))])


class CppThread(unittest.TestCase):
    def test_calls_python_in_its_own_context(self):
        bridged.set(1)
        self.assertEqual(bridged.call_on_a_thread(bridged.get, 2), (2, 2))
        self.assertEqual(bridged.get(), 1)

    def test_without_bindings_calls_python_without_bindings(self):
        bridged.set(1)
        self.assertEqual(bridged.call_on_a_thread(bridged.get, 0), (None, None))

    def test_has_afterwards_what_python_s_side_set(self):
        self.assertEqual(bridged.call_on_a_thread(lambda: bridged.set(3), 2), (None, 3))
        self.assertEqual(bridged.call_on_a_thread(lambda: bridged.set(3), 0), (None, 3))

    def test_that_calls_twice_sees_in_the_second_what_the_first_set(self):
        def callback():
            bridged.set((bridged.get() or 0) + 1)

        self.assertEqual(bridged.call_on_a_thread(callback, 1, twice=True), (None, 3))
        self.assertEqual(bridged.call_on_a_thread(callback, 0, twice=True), (None, 2))

    def test_passes_exceptions_of_python(self):
        def callback():
            raise LookupError("on a thread")

        with self.assertRaisesRegex(LookupError, "on a thread"):
            bridged.call_on_a_thread(callback, 1)

    def test_with_a_bound_callback_runs_python_in_the_context_of_the_call(self):
        variable = contextvars.ContextVar("variable", default="default")

        def main():
            variable.set("bound")
            bridged.set(4)
            return bridged.call_bound_on_a_thread(lambda: (variable.get(), bridged.get()))

        self.assertEqual(contextvars.copy_context().run(main), ("bound", 4))

    def test_may_drop_a_context_of_python(self):
        context = contextvars.Context()
        alive = bridged.alive()
        context.run(bridged.observe, 1)
        context.run(bridged.drop_a_python_context_on_a_thread)
        self.assertEqual(bridged.alive(), alive + 1)
        del context
        self.assertEqual(bridged.alive(), alive)


if __name__ == "__main__":
    unittest.main()
