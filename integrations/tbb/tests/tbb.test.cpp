// SPDX-License-Identifier: MIT
//
// bind_context in oneTBB: whichever thread does the work, it is done in the context of who asked for it.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_for_each.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using TbbTest = contextvars_tests::Isolated;

namespace {

cv::ContextVar<int> request{"request", 0};

} // namespace

TEST_F(TbbTest, parallel_for_does_every_piece_in_the_context_of_its_caller) {
    const auto scope = request.scoped(7);
    std::atomic<int> wrong = 0;
    std::atomic<int> done = 0;
    tbb::parallel_for(tbb::blocked_range<int>(0, 20000, 10),
                      cv::bind_context([&](const tbb::blocked_range<int>& range) {
                          wrong += request.get() != 7;
                          done += static_cast<int>(range.size());
                          request.set(8); // in this piece's copy
                      }));
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(done, 20000);
    EXPECT_EQ(request.get(), 7);
    tbb::parallel_for(0, 1000, cv::bind_context([&](int) { wrong += request.get() != 7; }));
    const std::vector<int> items(1000);
    tbb::parallel_for_each(items, cv::bind_context([&](int) { wrong += request.get() != 7; }));
    tbb::parallel_invoke(cv::bind_context([&] { wrong += request.get() != 7; }),
                         cv::bind_context([&] { wrong += request.get() != 7; }));
    EXPECT_EQ(wrong, 0);
}

TEST_F(TbbTest, parallel_reduce_does_so_too) {
    const auto scope = request.scoped(3);
    const int sum =
        tbb::parallel_reduce(tbb::blocked_range<int>(0, 10000), 0,
                             cv::bind_context([](const tbb::blocked_range<int>& range, int before) {
                                 return before + request.get() * static_cast<int>(range.size());
                             }),
                             std::plus<>());
    EXPECT_EQ(sum, 30000);
}

// In an arena of one slot, the thread that waits is the one that does the work.
TEST_F(TbbTest, a_waiting_thread_does_anothers_task_in_that_tasks_context_on_its_own_stack) {
    tbb::task_arena arena(1);
    std::array<int, 3> seen{};
    std::thread::id worker;
    arena.execute([&] {
        tbb::task_group group;
        {
            const auto scope = request.scoped(2);
            group.run(cv::bind_context([&] {
                seen[0] = request.get();
                worker = std::this_thread::get_id();
            }));
            group.run(
                [&] { seen[1] = request.get(); }); // the wrong way: who waits lends its context
        }
        const auto scope = request.scoped(1);
        group.wait();
        seen[2] = request.get();
    });
    EXPECT_EQ(worker, std::this_thread::get_id());
    EXPECT_EQ(seen, (std::array<int, 3>{2, 1, 1}));
}

TEST_F(TbbTest, tasks_that_wait_inside_tasks_never_mix_requests) {
    std::atomic<int> wrong = 0;
    const std::function<void(int)> spread = [&](int depth) {
        const int mine = request.get();
        if (depth == 0)
            return;
        tbb::task_group group;
        for (int i = 0; i < 3; ++i)
            group.run(cv::bind_context([&, depth] {
                wrong += request.get() != mine;
                spread(depth - 1);
                wrong += request.get() != mine;
            }));
        group.wait();
        wrong += request.get() != mine;
    };
    std::latch start(4);
    std::vector<std::thread> threads;
    for (int t = 1; t <= 4; ++t)
        threads.emplace_back([&, t] {
            start.arrive_and_wait();
            const auto scope = request.scoped(t);
            spread(6);
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST_F(TbbTest, an_arena_does_what_is_enqueued_in_the_context_of_who_enqueued_it) {
    tbb::task_arena arena(2);
    std::latch done(2);
    std::array<std::atomic<int>, 2> seen{};
    for (int i = 0; i < 2; ++i) {
        const auto scope = request.scoped(10 + i);
        arena.enqueue(cv::bind_context([&, i] {
            seen[static_cast<std::size_t>(i)] = request.get();
            done.count_down();
        }));
    }
    done.wait();
    EXPECT_EQ(seen[0], 10);
    EXPECT_EQ(seen[1], 11);
    const auto scope = request.scoped(12);
    EXPECT_EQ(arena.execute(cv::bind_context([] { return request.get(); })), 12);
}

TEST_F(TbbTest, an_exception_of_a_task_leaves_the_waiting_thread_its_context) {
    const auto scope = request.scoped(1);
    tbb::task_group group;
    {
        const auto inner = request.scoped(2);
        group.run(cv::bind_context([] { throw std::runtime_error("task"); }));
    }
    EXPECT_THROW(group.wait(), std::runtime_error);
    EXPECT_EQ(request.get(), 1);
}

TEST_F(TbbTest, a_task_that_is_cancelled_or_never_run_keeps_no_value_alive) {
    const NothingLeaks checks;
    static cv::ContextVar<std::shared_ptr<Counted>> held{"held"};
    {
        tbb::task_group group;
        const auto scope = held.scoped(std::make_shared<Counted>());
        group.cancel();
        group.run(cv::bind_context([] { ADD_FAILURE() << "cancelled"; }));
        group.wait();
        {
            const auto never_run = group.defer(cv::bind_context([] {}));
        }
    }
    EXPECT_TRUE(checks.holds());
}
