// SPDX-License-Identifier: MIT
//
// Tests that leave no context behind. context_test is a fixture: each test starts in an empty
// context, and fails if it ends with a variable that is still set or a context that is still
// entered. context_is_empty() asks in between.
//
//     using Orders = contextvars::context_test;
//     TEST_F(Orders, are_logged_with_their_id) { … }
#ifndef CONTEXTVARS_GOOGLETEST_HPP
#define CONTEXTVARS_GOOGLETEST_HPP

#include <contextvars/context.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/diagnostics.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace contextvars::inline v0 {

/// Returns: success if no variable is set in the current context, and no capture suppressed; else a
/// failure that shows the variables. Example: `EXPECT_TRUE(contextvars::context_is_empty());`
/// Throws: std::bad_alloc, and any exception of the << of a value.
inline ::testing::AssertionResult context_is_empty() {
    if (detail::current_map()->size == 0) // copy_context() may lack some
        return ::testing::AssertionSuccess();
    std::stringstream contexts;
    dump_current(contexts);
    std::string current;
    std::getline(contexts, current);
    return ::testing::AssertionFailure() << "the context is not empty: " << current;
}

/// The test begins in a new, empty context, before SetUp() and the members of a derived fixture. It
/// is checked after TearDown() and the end of the members. A failure is reported at the line of the
/// test, and says what is left. Then the next test begins in an empty context all the same.
/// Threads: the contexts of other threads are not checked.
class context_test : public ::testing::Test {
protected:
    context_test() : begun_(std::make_unique<begun>()), frame_(detail::top_frame()) {}
    ~context_test() override {
        if (detail::top_frame() == frame_) {
            if (const auto empty = context_is_empty(); !empty)
                fail(empty.message());
            return;
        }
        std::ostringstream left;
        left << "a context is still entered, or a coroutine or callback still runs:\n";
        dump_current(left);
        fail(left.str().c_str());
        // Contexts are left in the reverse order, so this one must stay entered, too.
        static auto& still_entered = *new std::vector<std::unique_ptr<begun>>;
        still_entered.push_back(std::move(begun_));
    }

private:
    struct begun {
        Context context;
        Entered entered{context};
    };

    static void fail(const char* what) {
        const ::testing::TestInfo* const test =
            ::testing::UnitTest::GetInstance()->current_test_info();
        ADD_FAILURE_AT(test != nullptr ? test->file() : __FILE__,
                       test != nullptr ? test->line() : __LINE__)
            << "the test leaks: " << what;
    }

    std::unique_ptr<begun> begun_;
    const detail::frame* frame_;
};

} // namespace contextvars::inline v0

#endif
