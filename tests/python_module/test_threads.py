# SPDX-License-Identifier: MIT
"""Each thread has a context of its own, for as long as it lives."""
import gc
import os
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor

from cppcontextvars import Context, ContextVar, copy_context


def in_thread(function, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


class Threads(unittest.TestCase):
    def setUp(self):
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        self.addCleanup(sys.setswitchinterval, interval)

    def test_a_thread_begins_with_nothing(self):
        variable = ContextVar("a", default=0)
        token = variable.set(1)
        self.addCleanup(variable.reset, token)

        def body():
            self.assertEqual(variable.get(), 0)
            self.assertEqual(len(copy_context()), 0)
            with self.assertRaisesRegex(ValueError, "in a different Context"):
                variable.reset(token)
            variable.set(2)

        in_thread(body)
        self.assertEqual(variable.get(), 1)

    def test_values_end_with_their_thread(self):
        class Value:
            pass

        variable = ContextVar("a")
        references = []

        def body():
            value = Value()
            references.append(weakref.ref(value))
            variable.set(value)

        for _ in range(20):
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
        gc.collect()
        self.assertEqual([reference() for reference in references], [None] * 20)

    def test_a_value_that_ends_with_its_thread_may_set(self):
        variable, other = ContextVar("a"), ContextVar("b")
        ended = []

        class Value:
            def __del__(self):
                ended.append(variable.get(None))
                other.set(Value.__name__)
                copy_context()

        for _ in range(5):
            thread = threading.Thread(target=lambda: variable.set(Value()))
            thread.start()
            thread.join()
        self.assertEqual(len(ended), 5)

    def test_a_token_is_used_wherever_its_context_runs(self):
        variable = ContextVar("a")
        context = Context()
        token = in_thread(context.run, variable.set, 1)
        self.assertEqual(context[variable], 1)
        context.run(variable.reset, token)
        self.assertNotIn(variable, context)

    def test_a_context_is_entered_by_one_thread_at_a_time(self):
        context = Context()
        inside, done = threading.Event(), threading.Event()

        def body():
            inside.set()
            done.wait()

        thread = threading.Thread(target=context.run, args=(body,))
        thread.start()
        inside.wait()
        with self.assertRaisesRegex(RuntimeError, "is already entered"):
            context.run(int)
        done.set()
        thread.join()
        context.run(int)

    def test_an_entered_context_is_read_and_copied_by_others(self):
        variables = [ContextVar(f"v{i}") for i in range(40)]
        context = Context()
        stop = False

        def write():
            i = 0
            while not stop:
                i += 1
                tokens = [variable.set(i) for variable in variables]
                for variable, token in zip(variables[::2], tokens[::2]):
                    variable.reset(token)

        thread = threading.Thread(target=context.run, args=(write,))
        thread.start()
        try:
            for _ in range(2000):
                copied = context.copy()
                self.assertEqual(len(copied), len(list(copied.items())))
                self.assertTrue(copied == copied.copy())
                context == copied
                for variable in variables:
                    context.get(variable)
                    variable in context
                copied.run(variables[0].set, 0)
        finally:
            stop = True
            thread.join()

    def test_threads_use_copies_of_one_context(self):
        variables = [ContextVar(f"v{i}") for i in range(300)]
        context = Context()
        context.run(lambda: [variable.set([0]) for variable in variables])
        before = dict(context.items())

        def work(number):
            def body():
                for i in range(2000):
                    variable = variables[(i * 7 + number) % 300]
                    token = variable.set([number])
                    self.assertEqual(variable.get(), [number])
                    if i % 3:
                        variable.reset(token)
                    if i % 50 == 0:
                        copy_context().run(variable.set, None)

            context.copy().run(body)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))
        self.assertEqual(dict(context.items()), before)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_forked_child_goes_on(self):
        variable = ContextVar("a")
        variable.set(1)
        stop = threading.Event()
        thread = threading.Thread(target=copy_context().run, args=(stop.wait,))
        thread.start()
        child = os.fork()
        if child == 0:
            good = variable.get() == 1 and variable.set(2).old_value == 1
            copy_context().run(variable.set, 3)
            gc.collect()
            os._exit(0 if good else 1)
        stop.set()
        thread.join()
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_a_thread_that_lost_its_context_goes_on(self):
        variable = ContextVar("a")

        def body():
            variable.set(1)
            for found in gc.get_objects():
                if isinstance(found, dict) and "cppcontextvars" in found:
                    if type(found["cppcontextvars"]).__name__ == "_thread":
                        found.clear()
            del found
            return variable.get(None), variable.set(2).old_value, len(copy_context())

        in_thread(body)


if __name__ == "__main__":
    unittest.main()
