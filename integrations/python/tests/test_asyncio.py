# SPDX-License-Identifier: MIT
"""Plain asyncio carries C++ variables."""
import asyncio
import concurrent.futures
import contextvars
import unittest

import bridged


class Tasks(unittest.TestCase):
    def setUp(self):
        contextvars.Context().run(self.assertIsNone, bridged.get())

    def test_that_interleave_each_see_their_own(self):
        async def task(own):
            bridged.set(own)
            for step in range(50):
                await asyncio.sleep(0)
                self.assertEqual(bridged.get(), own + step)
                bridged.set(own + step + 1)
            return bridged.get()

        async def main():
            bridged.set(-1)
            results = await asyncio.gather(*(task(1000 * i) for i in range(20)))
            self.assertEqual(results, [1000 * i + 50 for i in range(20)])
            self.assertEqual(bridged.get(), -1)

        asyncio.run(main())
        self.assertIsNone(bridged.get())

    def test_begin_with_a_copy_taken_when_they_are_created(self):
        async def child():
            seen = bridged.get()
            bridged.set(2)
            return seen

        async def main():
            bridged.set(1)
            task = asyncio.create_task(child())
            bridged.set(3)
            self.assertEqual(await task, 1)
            self.assertEqual(bridged.get(), 3)

        asyncio.run(main())

    def test_in_one_context_share_it(self):
        async def child():
            bridged.set(5)

        async def main():
            context = contextvars.copy_context()
            await asyncio.create_task(child(), context=context)
            self.assertEqual(context.run(bridged.get), 5)
            self.assertIsNone(bridged.get())

        asyncio.run(main())

    def test_await_of_a_coroutine_gives_its_changes_back(self):
        async def callee():
            await asyncio.sleep(0)
            bridged.set(6)

        async def main():
            await callee()
            self.assertEqual(bridged.get(), 6)

        asyncio.run(main())

    def test_may_reset_after_a_suspension(self):
        async def task(own):
            token = bridged.number.set(own)
            kept = bridged.kept_token(own + 1)
            await asyncio.sleep(0)
            kept.reset()
            self.assertEqual(bridged.get(), own)
            await asyncio.sleep(0)
            bridged.number.reset(token)
            self.assertIsNone(bridged.get())

        async def main():
            await asyncio.gather(*(task(i) for i in range(10)))

        asyncio.run(main())

    def test_with_many_variables_each_see_their_own(self):
        async def task(own):
            bridged.set_many(own, 100)
            await asyncio.sleep(0)
            self.assertEqual(bridged.set_many(0, 100), sum(range(own, own + 100)))

        async def main():
            await asyncio.gather(*(task(i) for i in range(20)))

        asyncio.run(main())


class Callbacks(unittest.TestCase):
    def test_of_call_soon_run_in_a_copy(self):
        async def main():
            seen = asyncio.get_running_loop().create_future()
            bridged.set(1)
            asyncio.get_running_loop().call_soon(lambda: seen.set_result(bridged.get()))
            bridged.set(2)
            self.assertEqual(await seen, 1)

        asyncio.run(main())


class Threads(unittest.TestCase):
    def test_of_to_thread_carry_the_context(self):
        def work():
            seen = bridged.get_without_gil()
            bridged.set_without_gil(2)
            return seen, bridged.get()

        async def main():
            bridged.set(1)
            self.assertEqual(await asyncio.to_thread(work), (1, 2))
            self.assertEqual(bridged.get(), 1)

        asyncio.run(main())

    def test_of_to_thread_at_the_same_time_each_see_their_own(self):
        def work(own):
            for step in range(100):
                if bridged.get_without_gil() != own + step:
                    return False
                bridged.set_without_gil(own + step + 1)
            return True

        async def task(own):
            bridged.set(own)
            return await asyncio.to_thread(work, own)

        async def main():
            self.assertTrue(all(await asyncio.gather(*(task(1000 * i) for i in range(8)))))

        asyncio.run(main())

    def test_of_run_in_executor_carry_nothing(self):
        async def main():
            bridged.set(1)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                loop = asyncio.get_running_loop()
                self.assertIsNone(await loop.run_in_executor(pool, bridged.get))
                context = contextvars.copy_context()
                self.assertEqual(
                    await loop.run_in_executor(pool, context.run, bridged.get), 1)

        asyncio.run(main())


if __name__ == "__main__":
    unittest.main()
