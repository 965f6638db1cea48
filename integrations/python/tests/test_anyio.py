# SPDX-License-Identifier: MIT
"""anyio carries C++ variables as asyncio does."""
import unittest

try:
    import anyio
except ImportError:
    anyio = None

import bridged


@unittest.skipIf(anyio is None, "needs anyio (python3-anyio)")
class Tasks(unittest.TestCase):
    def test_of_a_group_begin_with_a_copy_and_give_nothing_back(self):
        seen = []

        async def child(own):
            seen.append(bridged.get())
            bridged.set(own)
            await anyio.sleep(0)
            self.assertEqual(bridged.get(), own)

        async def main():
            bridged.set(1)
            async with anyio.create_task_group() as group:
                for own in range(10, 20):
                    group.start_soon(child, own)
            self.assertEqual(bridged.get(), 1)

        anyio.run(main)
        self.assertEqual(seen, 10 * [1])
        self.assertIsNone(bridged.get())

    def test_carry_the_context_into_a_thread_and_nothing_back(self):
        async def main():
            bridged.set(2)
            self.assertEqual(await anyio.to_thread.run_sync(bridged.get), 2)
            await anyio.to_thread.run_sync(bridged.set, 3)
            self.assertEqual(bridged.get(), 2)

        anyio.run(main)

    def test_called_from_a_thread_have_its_context(self):
        async def get():
            return bridged.get()

        def in_thread():
            bridged.set(5)
            return anyio.from_thread.run(get)

        async def main():
            bridged.set(4)
            self.assertEqual(await anyio.to_thread.run_sync(in_thread), 5)
            self.assertEqual(bridged.get(), 4)

        anyio.run(main)


if __name__ == "__main__":
    unittest.main()
