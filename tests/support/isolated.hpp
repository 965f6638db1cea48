// SPDX-License-Identifier: MIT
//
// Every test runs in a context of its own, so that nothing one test sets is seen by another.
#ifndef CONTEXTVARS_TESTS_SUPPORT_ISOLATED_HPP
#define CONTEXTVARS_TESTS_SUPPORT_ISOLATED_HPP

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace contextvars_tests {

/// Runs f in a context that is new and empty, and gives back what f returns.
template <class F>
decltype(auto) isolated(F&& f) {
    contextvars::Context fresh;
    return fresh.run(std::forward<F>(f));
}

/// A fixture whose tests run in a context that is new and empty. Leaving it terminates the test
/// program if the test left another context current.
class Isolated : public ::testing::Test {
private:
    contextvars::Context fresh_;
    decltype(fresh_.enter()) entered_ = fresh_.enter();
};

/// The message of the E that f throws; fails the test and returns "" if f throws no E.
template <class E, class F>
std::string message_of(F&& f) {
    try {
        std::forward<F>(f)();
    } catch (const E& error) {
        return error.what();
    } catch (const std::exception& other) {
        ADD_FAILURE() << "expected another class of exception, got: " << other.what();
        return {};
    }
    ADD_FAILURE() << "expected an exception, got none";
    return {};
}

} // namespace contextvars_tests

/// Passes if `text` contains `fragment`; prints both if not.
#define EXPECT_CONTAINS(text, fragment) EXPECT_PRED2(::contextvars_tests::contains, text, fragment)

namespace contextvars_tests {
inline bool contains(const std::string& text, const std::string& fragment) {
    return text.find(fragment) != std::string::npos;
}
} // namespace contextvars_tests

#endif
