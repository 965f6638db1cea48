// SPDX-License-Identifier: MIT
//
// Two reactions of one session that overlap: docs/lifetimes.md, "Two reactions of one session".
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <latch>
#include <memory>
#include <string>
#include <thread>

namespace cv = contextvars;
using DuplexTest = contextvars_tests::Isolated;

namespace {

cv::ContextVar<std::string> session{"session", "-"};
cv::ContextVar<int> messages{"messages", 0};
cv::ContextVar<std::shared_ptr<std::atomic<int>>> total{"total"};

} // namespace

TEST_F(DuplexTest, reactions_that_overlap_each_run_in_a_copy_and_are_never_refused) {
    constexpr int times = 100'000;
    cv::Context context;
    context.run([] {
        session.set("a session with a name that is long");
        total.set(std::make_shared<std::atomic<int>>(0));
    });
    std::atomic<int> wrong = 0;
    std::barrier begin(2);
    const auto reactions = [&] {
        begin.arrive_and_wait();
        for (int i = 0; i < times; ++i) {
            context.copy().run([&] {
                wrong += session.get() != "a session with a name that is long";
                wrong += messages.get() != 0;
                messages.set(1);
                ++*total.get();
            });
        }
    };
    std::thread reader(reactions);
    std::thread writer(reactions);
    reader.join();
    writer.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(*context[total], 2 * times) << "the object is shared";
    EXPECT_FALSE(context.contains(messages)) << "what a reaction sets is its own";
}

TEST_F(DuplexTest, reactions_see_what_the_session_has_set_before_they_begin) {
    cv::Context context;
    std::latch changed(1);
    std::string seen;
    std::thread reaction([&] {
        changed.wait();
        seen = context.copy().run([] { return session.get(); });
    });
    context.run([] { session.set("new"); });
    changed.count_down();
    reaction.join();
    EXPECT_EQ(seen, "new");
}

TEST_F(DuplexTest, reactions_are_copied_while_the_session_itself_runs) {
    cv::Context context;
    context.run([] { session.set("before"); });
    context.run([&] {
        session.set("inside");
        std::thread([&] {
            EXPECT_EQ(context.copy().run([] { return session.get(); }), "before")
                << "what the context was when it was entered";
        }).join();
    });
}

TEST_F(DuplexTest, the_second_that_runs_one_context_at_once_is_refused) {
    cv::Context context;
    context.run(
        [&] { std::thread([&] { EXPECT_THROW(context.run([] {}), cv::RuntimeError); }).join(); });
}
