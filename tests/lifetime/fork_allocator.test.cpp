// SPDX-License-Identifier: MIT
//
// An allocator that takes a lock of its own when the process forks, and registers its handlers at its first
// use: so the process that forks has the allocator's lock when it asks for those of the library.
#include <contextvars/contextvars.hpp>

#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <mutex>
#include <new>
#include <string>
#include <thread>

namespace cv = contextvars;
using ForkAllocatorTest = contextvars_tests::Isolated;

namespace {

std::mutex heap;

void register_once() {
    static const int registered =
        pthread_atfork([] { heap.lock(); }, [] { heap.unlock(); }, [] { heap.unlock(); });
    static_cast<void>(registered);
}

void* allocate(std::size_t bytes) noexcept {
    register_once();
    const std::lock_guard guard(heap);
    return std::malloc(bytes == 0 ? 1 : bytes);
}

void deallocate(void* memory) noexcept {
    const std::lock_guard guard(heap);
    std::free(memory);
}

} // namespace

// As in src/process/memory.hpp.
namespace contextvars::inline v0::detail {

CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept { return allocate(bytes); }
CONTEXTVARS_EXPORT void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept {
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
CONTEXTVARS_EXPORT void give_memory(void* memory) noexcept { deallocate(memory); }

} // namespace contextvars::inline v0::detail

void* operator new(std::size_t bytes) {
    void* const memory = allocate(bytes);
    return memory != nullptr ? memory : throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t) noexcept { deallocate(memory); }

TEST_F(ForkAllocatorTest, that_locks_itself_while_the_process_forks_is_not_waited_for) {
    if (contextvars_tests::thread_sanitized)
        GTEST_SKIP() << "TSan does not follow a fork of several threads";
    alarm(120); // against a deadlock
    std::atomic<bool> stop = false;
    std::latch busy(1);
    // Each variable has a name of its own: so the tables grow, under the lock.
    std::thread binder([&] {
        for (int i = 0; !stop; ++i) {
            cv::ContextVar<std::string> text{"variable " + std::to_string(i)};
            const auto scope = text.scoped("a text");
            if (i == 0)
                busy.count_down();
        }
    });
    busy.wait();
    for (int i = 0; i != 300; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            cv::ContextVar<std::string> text{"variable of the child"};
            const auto scope = text.scoped("a text");
            _exit(text.get() == "a text" ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFEXITED(status)) << "fork " << i;
        ASSERT_EQ(WEXITSTATUS(status), 0) << "fork " << i;
    }
    stop = true;
    binder.join();
    alarm(0);
}
