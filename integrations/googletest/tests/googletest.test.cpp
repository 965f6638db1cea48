// SPDX-License-Identifier: MIT
#include <contextvars/googletest.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include <gtest/gtest-spi.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace {

contextvars::ContextVar<std::string> user{"user"};
contextvars::ContextVar<std::string> password{"password", contextvars::attributes{.secret = true}};

using user_scope = contextvars::Scope<std::string>;

/// A test as a program has it, whose body is what stands after it.
class some_test : public contextvars::context_test {
    void TestBody() override {}
};
class test_with_member : public some_test {
    user_scope member_ = user.scoped("member");
};

/// What a test leaks must not end before the test, nor be seen by the next one: each on a thread.
template <class F>
void on_a_thread(const F& f) {
    std::thread(f).join();
}

using Googletest = contextvars::context_test;

TEST_F(Googletest, a_test_starts_in_an_empty_context) {
    const auto scope = user.scoped("ann");
    const some_test test;
    EXPECT_EQ(user.try_get(), nullptr);
    EXPECT_TRUE(contextvars::context_is_empty());
}

TEST_F(Googletest, a_test_that_ends_its_guards_passes) {
    const some_test test;
    const test_with_member other; // the member ends before the check
    const auto scope = user.scoped("ann");
    contextvars::Context().run([] { user.set("bob"); });
}

TEST_F(Googletest, context_is_empty_names_what_is_set) {
    const auto scope = contextvars::scoped(user.to("ann"), password.to("1234"));
    const testing::AssertionResult result = contextvars::context_is_empty();
    EXPECT_FALSE(result);
    const std::string message = result.message();
    EXPECT_NE(message.find("user='ann'"), std::string::npos) << message;
    EXPECT_NE(message.find("password"), std::string::npos) << message;
    EXPECT_EQ(message.find("1234"), std::string::npos) << message;
}

TEST(GoogletestLeaks, a_guard_that_outlives_its_test_fails_it) {
    on_a_thread([] {
        std::unique_ptr<user_scope> kept;
        EXPECT_NONFATAL_FAILURE(
            {
                const some_test test;
                kept = std::make_unique<user_scope>(user, "ann");
            },
            "the test leaks: the context is not empty: <Context at 0x");
        EXPECT_TRUE(contextvars::context_is_empty());
    });
}

TEST(GoogletestLeaks, a_variable_that_is_set_and_not_reset_fails_its_test) {
    EXPECT_NONFATAL_FAILURE(
        {
            const some_test test;
            user.set("ann");
        },
        "ann");
    EXPECT_TRUE(contextvars::context_is_empty());
}

// A copy of the context would not show these two.
TEST(GoogletestLeaks, a_variable_that_is_never_captured_fails_its_test) {
    const contextvars::ContextVar<int> stays{
        "stays", contextvars::attributes{.captured = contextvars::capture_policy::never}};
    EXPECT_NONFATAL_FAILURE(
        {
            const some_test test;
            static_cast<void>(stays.set(1));
        },
        "stays=1");
}

TEST(GoogletestLeaks, a_suppression_that_outlives_its_test_fails_it) {
    on_a_thread([] {
        std::unique_ptr<contextvars::FlowSuppression> kept;
        EXPECT_NONFATAL_FAILURE(
            {
                const some_test test;
                kept.reset(new contextvars::FlowSuppression(contextvars::suppress_flow()));
            },
            "captures are suppressed");
    });
}

TEST(GoogletestLeaks, a_context_that_stays_entered_fails_its_test_and_no_other) {
    on_a_thread([] {
        contextvars::Context context;
        std::unique_ptr<contextvars::Entered> kept;
        EXPECT_NONFATAL_FAILURE(
            {
                const some_test test;
                kept = std::make_unique<contextvars::Entered>(context);
                user.set("ann");
            },
            "still runs:\n<Context at 0x");
        {
            const some_test next;
            EXPECT_TRUE(contextvars::context_is_empty());
        }
        kept.reset(); // in the reverse order still
    });
}

TEST(GoogletestLeaks, a_flow_that_is_not_suspended_fails_its_test) {
    on_a_thread([] {
        contextvars::ext::flow flow;
        EXPECT_NONFATAL_FAILURE(
            {
                const some_test test;
                flow.resume();
            },
            "a copy that belongs to a coroutine or callback");
        flow.suspend();
    });
}

TEST(GoogletestLeaks, a_failure_is_at_the_line_of_the_test) {
    testing::TestPartResultArray failures;
    {
        const testing::ScopedFakeTestPartResultReporter reporter(
            testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
        const some_test test;
        user.set("ann");
    }
    ASSERT_EQ(failures.size(), 1);
    const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
    EXPECT_STREQ(failures.GetTestPartResult(0).file_name(), test->file());
    EXPECT_EQ(failures.GetTestPartResult(0).line_number(), test->line());
}

} // namespace
