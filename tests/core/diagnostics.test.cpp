// SPDX-License-Identifier: MIT
//
// Misuse that cannot throw: what the hook is told, and what ends the program.
#include <contextvars/diagnostics.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::isolated;
using contextvars_tests::RecordedDiagnostics;

static_assert(std::is_same_v<cv::diagnostics_hook, void (*)(const cv::diagnostic&) noexcept>);
static_assert(noexcept(cv::set_diagnostics_hook(nullptr)));

namespace {

using entered = decltype(std::declval<cv::Context&>().enter());

void first_hook(const cv::diagnostic&) noexcept {}
void second_hook(const cv::diagnostic&) noexcept {}

/// Writes what it is told so that a death test can read it.
void telling_hook(const cv::diagnostic& d) noexcept {
    const char* kind = d.kind == cv::diagnostic_kind::left_out_of_order ? "left_out_of_order"
                       : d.kind == cv::diagnostic_kind::context_destroyed_while_entered
                           ? "context_destroyed_while_entered"
                           : "another kind";
    std::fprintf(stderr, "hook: %s %p %s\n", kind, d.context, std::string(d.what).c_str());
}

void leave_out_of_order() {
    cv::Context a;
    cv::Context b;
    auto* in_a = new entered(a.enter());
    auto* in_b = new entered(b.enter());
    delete in_a;
    delete in_b;
}

void leave_on_another_thread() {
    cv::Context context;
    auto* guard = new entered(context.enter());
    std::thread([&] { delete guard; }).join();
}

void leave_on_another_thread_that_entered_something_itself() {
    cv::Context a;
    cv::Context b;
    auto* guard = new entered(a.enter());
    std::thread([&] { b.run([&] { delete guard; }); }).join();
}

void leave_inside_run() {
    cv::Context a;
    cv::Context b;
    auto* guard = new entered(a.enter());
    b.run([&] { delete guard; });
}

/// So that nobody else writes to its memory.
void destroy_in_place_while_entered() {
    alignas(cv::Context) static std::byte place[sizeof(cv::Context)];
    auto* context = ::new (static_cast<void*>(place)) cv::Context;
    auto* guard = new entered(context->enter());
    std::destroy_at(context);
    delete guard;
}

void destroy_while_entered() {
    auto* context = new cv::Context;
    auto* guard = new entered(context->enter());
    delete context;
    delete guard;
}

void destroy_inside_run() {
    auto* context = new cv::Context;
    context->run([&] { delete context; });
}

void destroy_on_another_thread_while_entered() {
    std::optional<cv::Context> context(std::in_place); // whose memory nobody uses again
    context->run([&] { std::thread([&] { context.reset(); }).join(); });
}

void destroy_while_another_is_entered_inside() {
    auto* outer = new cv::Context;
    cv::Context inner;
    outer->run([&] { inner.run([&] { delete outer; }); });
}

constexpr const char* not_the_last = "contextvars: a context was left, or a coroutine suspended, "
                                     "that is not the one entered last on this thread";
constexpr const char* destroyed = "contextvars: a context was destroyed while it was entered";

class DiagnosticsDeathTest : public ::testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

} // namespace

using DiagnosticsTest = contextvars_tests::Isolated;

TEST_F(DiagnosticsTest, give_back_the_hook_before) {
    const auto original = cv::set_diagnostics_hook(&first_hook);
    EXPECT_EQ(cv::set_diagnostics_hook(&second_hook), &first_hook);
    EXPECT_EQ(cv::set_diagnostics_hook(original), &second_hook);
    EXPECT_EQ(cv::set_diagnostics_hook(original), original);
}

TEST_F(DiagnosticsTest, of_a_scope_are_written_to_standard_error_in_one_line_by_default) {
    cv::ContextVar<int> v{"noisy"};
    auto* scope = new auto(v.scoped(1));
    testing::internal::CaptureStderr();
    isolated([&] { delete scope; });
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_CONTAINS(text, "noisy");
    EXPECT_CONTAINS(text, "<Context at 0x");
    ASSERT_FALSE(text.empty());
    EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
}

TEST_F(DiagnosticsTest, that_a_hook_is_told_are_not_written) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> v{"noisy"};
    auto* scope = new auto(v.scoped(1));
    testing::internal::CaptureStderr();
    isolated([&] { delete scope; });
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(diagnostics.all().size(), 1U);
}

TEST_F(DiagnosticsTest, of_a_scope_name_the_variable_and_the_context_that_was_current_instead) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> v{"noisy"};
    auto* scope = new auto(v.scoped(1));
    cv::Context other;
    other.run([&] { delete scope; });
    other.run([&] {
        auto* of_other = new auto(v.scoped(2));
        std::move(cv::copy_context()).run([&] { delete of_other; });
    });
    const auto told = diagnostics.all();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].kind, cv::diagnostic_kind::scope_not_restored);
    EXPECT_EQ(told[0].variable, "noisy");
    EXPECT_EQ(told[0].context, &other);
    EXPECT_FALSE(told[0].what.empty());
    EXPECT_NE(told[1].context, &other);
}

TEST_F(DiagnosticsDeathTest, left_out_lines_are_counted_by_the_process_that_left_them_out) {
    EXPECT_EXIT(
        {
            cv::ContextVar<int> v{"noisy"};
            for (int i = 0; i < 15; ++i) {
                auto* scope = new auto(v.scoped(1));
                isolated([&] { delete scope; });
            }
            const pid_t child = fork();
            if (child == 0) {
                std::exit(0);
            }
            waitpid(child, nullptr, 0);
            std::exit(0);
        },
        testing::ExitedWithCode(0), "counted\ncontextvars: 5 more like these were left out\n$");
}

TEST_F(DiagnosticsTest, let_the_hook_use_the_library) {
    static cv::ContextVar<int> counter{"counter", 0};
    cv::ContextVar<int> v{"v"};
    const auto original = cv::set_diagnostics_hook([](const cv::diagnostic&) noexcept {
        counter.set(counter.get() + 1);
        isolated([] { counter.set(100); });
        static_cast<void>(cv::copy_context());
    });
    auto* scope = new auto(cv::scoped(v.to(1)));
    isolated([&] {
        delete scope;
        EXPECT_EQ(counter.get(), 1);
    });
    cv::set_diagnostics_hook(original);
}

TEST_F(DiagnosticsDeathTest, leaving_out_of_order_terminates) {
    EXPECT_DEATH(leave_out_of_order(), not_the_last);
}

TEST_F(DiagnosticsDeathTest, suspending_a_flow_below_an_entered_context_terminates) {
    EXPECT_DEATH(
        {
            cv::ext::flow flow;
            cv::Context context;
            flow.resume();
            static_cast<void>(new entered(context.enter()));
            flow.suspend();
            std::_Exit(0);
        },
        "not the one entered last");
    EXPECT_DEATH(
        {
            cv::ext::flow flow;
            cv::Context context;
            flow.resume();
            static_cast<void>(new entered(context.enter()));
            {
                const cv::ext::suspension scope(flow);
            }
            std::_Exit(0);
        },
        "not the one entered last");
}

TEST_F(DiagnosticsDeathTest, leaving_on_another_thread_terminates) {
    EXPECT_DEATH(leave_on_another_thread(), not_the_last);
    EXPECT_DEATH(leave_on_another_thread_that_entered_something_itself(), not_the_last);
}

TEST_F(DiagnosticsDeathTest, leaving_by_guard_inside_another_run_terminates) {
    EXPECT_DEATH(leave_inside_run(), not_the_last);
}

TEST_F(DiagnosticsDeathTest, destroying_an_entered_context_terminates) {
    EXPECT_DEATH(destroy_while_entered(), destroyed);
    EXPECT_DEATH(destroy_in_place_while_entered(), destroyed);
    EXPECT_DEATH(destroy_inside_run(), destroyed);
    EXPECT_DEATH(destroy_on_another_thread_while_entered(), destroyed);
    EXPECT_DEATH(destroy_while_another_is_entered_inside(), destroyed);
}

TEST_F(DiagnosticsDeathTest, lines_of_a_kind_are_written_ten_times_a_minute_and_then_counted) {
    // In a process of its own, which has written nothing yet.
    EXPECT_EXIT(
        {
            cv::ContextVar<int> v{"noisy"};
            for (int i = 0; i < 200; ++i) {
                auto* scope = new auto(v.scoped(1));
                isolated([&] { delete scope; });
            }
            std::exit(0);
        },
        testing::ExitedWithCode(0),
        "^(contextvars: a scoped.* 'noisy'.*\n){10}contextvars: 190 more like these were left "
        "out\n$");
}

TEST_F(DiagnosticsDeathTest, the_hook_is_told_before_the_program_ends) {
    EXPECT_DEATH(
        {
            cv::set_diagnostics_hook(&telling_hook);
            leave_out_of_order();
        },
        "hook: left_out_of_order 0x");
    EXPECT_DEATH(
        {
            cv::set_diagnostics_hook(&telling_hook);
            destroy_while_entered();
        },
        "hook: context_destroyed_while_entered 0x");
}

TEST_F(DiagnosticsDeathTest, the_end_is_std_terminate) {
    const auto ends_with_7 = [](void (*misuse)()) {
        std::set_terminate([] { std::_Exit(7); });
        misuse();
    };
    EXPECT_EXIT(ends_with_7(&leave_out_of_order), testing::ExitedWithCode(7), "");
    EXPECT_EXIT(ends_with_7(&leave_on_another_thread), testing::ExitedWithCode(7), "");
    EXPECT_EXIT(ends_with_7(&destroy_while_entered), testing::ExitedWithCode(7), "");
    EXPECT_EXIT(ends_with_7(&destroy_inside_run), testing::ExitedWithCode(7), "");
}
