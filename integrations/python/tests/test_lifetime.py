# SPDX-License-Identifier: MIT
"""What is bound lives as long as the contexts that bind it, and no longer."""
import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import unittest

import bridged


def run_python(program):
    return subprocess.run([sys.executable, "-X", "dev", "-c", program],
                          capture_output=True, text=True, timeout=120)


class Value(unittest.TestCase):
    def setUp(self):
        gc.collect()
        self.alive = bridged.alive()

    def tearDown(self):
        gc.collect()
        self.assertEqual(bridged.alive(), self.alive)

    def test_is_destroyed_with_its_context(self):
        context = contextvars.Context()
        context.run(bridged.observe, 1)
        self.assertEqual(bridged.alive(), self.alive + 1)

    def test_is_shared_by_copies(self):
        context = contextvars.Context()
        context.run(bridged.observe, 1)
        copies = [context.copy() for _ in range(100)]
        self.assertEqual([copy.run(bridged.observed) for copy in copies], 100 * [1])
        self.assertEqual(bridged.alive(), self.alive + 1)

    def test_that_is_replaced_is_destroyed(self):
        context = contextvars.Context()
        for i in range(100):
            context.run(bridged.observe, i)
            self.assertEqual(bridged.alive(), self.alive + 1)

    def test_is_destroyed_where_cpp_threw_or_python_raised(self):
        def fail():
            bridged.observe(1)
            bridged.set_and_call(1, lambda: bridged.set_and_raise(1, "inner"))

        for _ in range(10):
            with self.assertRaises(RuntimeError):
                contextvars.Context().run(fail)

    def test_of_a_task_is_destroyed_with_it(self):
        async def task(i):
            bridged.observe(i)
            await asyncio.sleep(0)
            return bridged.observed()

        async def main():
            await asyncio.gather(*(task(i) for i in range(50)))

        asyncio.run(main())

    def test_of_a_thread_is_destroyed_with_it(self):
        thread = threading.Thread(target=bridged.observe, args=(1,))
        thread.start()
        thread.join()

    def test_of_a_cpp_thread_is_destroyed_with_it(self):
        bridged.call_on_a_thread(lambda: bridged.observe(1), 0)
        bridged.call_on_a_thread(lambda: bridged.observe(1), 1)

    def test_of_a_context_of_cpp_is_destroyed_with_it(self):
        def main():
            bridged.observe(1)
            bridged.call_in_a_context_of_its_own(1, lambda: bridged.observe(2))

        contextvars.Context().run(main)

    def test_is_not_copied_by_calls(self):
        def main():
            bridged.share("text")
            for _ in range(10):
                bridged.set_and_call(1, bridged.get)
            return bridged.uses_of_shared()

        self.assertEqual(contextvars.Context().run(main), 1)


class Objects(unittest.TestCase):
    def test_are_not_leaked_by_calls(self):
        def work():
            bridged.set(1)
            bridged.get()
            token = bridged.number.set(2)
            try:
                contextvars.copy_context().run(bridged.number.reset, token)
            except ValueError:
                pass
            bridged.number.reset(token)
            bridged.number.get(None)
            bridged.set_and_call(1, lambda: bridged.set(2))
            bridged.call_in_a_context_of_its_own(1, lambda: bridged.set(2))
            bridged.call_on_a_thread(bridged.get, 1)

        def measure(rounds):
            for _ in range(rounds):
                contextvars.Context().run(work)
            gc.collect()
            return sys.getallocatedblocks()

        measure(50)
        before = measure(50)
        after = measure(200)
        self.assertLess(after - before, 50)


class End(unittest.TestCase):
    def test_of_the_interpreter_destroys_what_is_bound(self):
        ended = run_python(
            "import bridged, contextvars, sys\n"
            "bridged.observe(1); bridged.number.set(2)\n"
            "sys.kept = contextvars.copy_context(), bridged.number.set(3)\n"
            "class AtTheEnd:\n"
            "    def __del__(self): bridged.set(4); bridged.get()\n"
            "sys.also_kept = AtTheEnd()\n"
            "variable = contextvars.ContextVar('v'); variable.set(AtTheEnd())\n")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_of_the_interpreter_leaves_threads_in_calls_alone(self):
        ended = run_python(
            "import bridged, threading, time\n"
            "inside = threading.Event()\n"
            "def forever():\n"
            "    bridged.observe(1)\n"
            "    bridged.set_and_call(1, lambda: (inside.set(), time.sleep(3600)))\n"
            "threading.Thread(target=forever, daemon=True).start()\n"
            "inside.wait()\n")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_of_the_interpreter_may_come_while_a_thread_calls(self):
        ended = run_python(
            "import bridged, threading\n"
            "started = threading.Event()\n"
            "def forever():\n"
            "    while True:\n"
            "        bridged.set(1)\n"
            "        bridged.set_and_call(2, bridged.get)\n"
            "        started.set()\n"
            "threads = [threading.Thread(target=forever, daemon=True) for _ in range(4)]\n"
            "for thread in threads: thread.start()\n"
            "started.wait()\n")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_of_the_interpreter_may_come_while_a_call_stores_what_it_set(self):
        # Up to CPython 3.11 storing may collect garbage, and so run Python code.
        ended = run_python(
            "import gc, sys, threading, by_hand\n"
            "inside, go_on = threading.Event(), threading.Lock()\n"
            "go_on.acquire()\n"
            "class Loop:\n"
            "    def __init__(self): self.me = self\n"
            "    def __del__(self):\n"
            "        inside.set()\n"
            "        go_on.acquire()\n"
            "def collect():\n"
            "    gc.disable(); gc.collect(); Loop(); gc.set_threshold(1, 1, 1)\n"
            "    store(gc.enable, by_hand.set_word)\n"
            "def store(enable, set_word):\n"
            "    enable()\n"
            "    while True: set_word('x')\n"
            "threading.Thread(target=collect, daemon=True).start()\n"
            "inside.wait()\n"
            "class Last:\n"
            "    def __del__(self, go_on=go_on, lock=threading.Lock()):\n"
            "        go_on.release(); lock.acquire(); lock.acquire(timeout=0.1)\n"
            "sys.last = Last()\n")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
