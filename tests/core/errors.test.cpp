// SPDX-License-Identifier: MIT
//
// Every message: the broken rule in Python's words, and the objects that broke it.
#include <contextvars/errors.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

namespace cv = contextvars;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using ErrorsTest = contextvars_tests::Isolated;

static_assert(std::is_base_of_v<std::out_of_range, cv::LookupError>);
static_assert(std::is_base_of_v<cv::LookupError, cv::KeyError>);
static_assert(std::is_base_of_v<std::invalid_argument, cv::ValueError>);
static_assert(std::is_base_of_v<std::runtime_error, cv::RuntimeError>);

namespace {

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

/// The address that << shows for a context.
std::string identity(const cv::Context& context) {
    const std::string text = printed(context);
    return text.substr(0, text.find_first_of(" >", text.find("0x")));
}

} // namespace

TEST_F(ErrorsTest, of_get_on_a_missing_variable_names_the_variable) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    EXPECT_CONTAINS(message_of<cv::LookupError>([&] { number.get(); }), printed(number));
    EXPECT_CONTAINS(message_of<cv::LookupError>([&] { text.get(); }), printed(text));
}

TEST_F(ErrorsTest, of_get_on_a_missing_variable_is_no_KeyError) {
    cv::ContextVar<int> v{"v"};
    try {
        v.get();
        FAIL();
    } catch (const cv::KeyError&) {
        FAIL() << "get() throws a LookupError";
    } catch (const std::out_of_range&) {
        SUCCEED();
    }
}

TEST_F(ErrorsTest, of_a_missing_key_names_the_variable) {
    cv::ContextVar<int> number{"number", 1};
    cv::ContextVar<std::string> text{"text"};
    const cv::Context context;
    EXPECT_CONTAINS(message_of<cv::KeyError>([&] { static_cast<void>(context[number]); }),
                    "<ContextVar name='number'");
    EXPECT_CONTAINS(message_of<cv::KeyError>([&] { static_cast<void>(context[text]); }),
                    printed(text));
}

TEST_F(ErrorsTest, of_a_token_used_twice_names_the_token) {
    cv::ContextVar<int> v{"twice"};
    auto token = v.set(1);
    v.reset(token);
    const std::string message = message_of<cv::RuntimeError>([&] { v.reset(token); });
    EXPECT_CONTAINS(message, "has already been used once");
    EXPECT_CONTAINS(message, "<Token used var=<ContextVar name='twice'");
}

TEST_F(ErrorsTest, of_a_token_that_was_moved_from_says_used) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    const auto owner = std::move(token);
    EXPECT_CONTAINS(message_of<cv::RuntimeError>([&] { v.reset(token); }),
                    "has already been used once");
}

TEST_F(ErrorsTest, of_a_token_of_another_variable_names_the_token_and_both_variables) {
    cv::ContextVar<std::string> mine{"mine"};
    cv::ContextVar<std::string> yours{"yours"};
    auto token = mine.set("value");
    const std::string message = message_of<cv::ValueError>([&] { yours.reset(token); });
    EXPECT_CONTAINS(message, "was created by a different ContextVar");
    EXPECT_CONTAINS(message, "<Token var=" + printed(mine));
    EXPECT_CONTAINS(message, printed(yours));
}

TEST_F(ErrorsTest, of_a_token_of_another_context_names_the_token_and_the_context) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    cv::Context other;
    const std::string message =
        message_of<cv::ValueError>([&] { other.run([&] { v.reset(token); }); });
    EXPECT_CONTAINS(message, "was created in a different Context");
    EXPECT_CONTAINS(message, "<Token var=" + printed(v));
    EXPECT_CONTAINS(message, identity(other));
}

TEST_F(ErrorsTest, of_a_token_of_another_context_in_a_threads_base_context) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    std::thread([&] {
        EXPECT_CONTAINS(message_of<cv::ValueError>([&] { v.reset(token); }),
                        "was created in a different Context");
    }).join();
}

TEST_F(ErrorsTest, of_a_token_of_a_destroyed_variable_says_so) {
    auto gone = std::make_unique<cv::ContextVar<int>>("gone");
    cv::ContextVar<int> v{"v"};
    auto token = gone->set(1);
    gone.reset();
    const std::string message = message_of<cv::ValueError>([&] { v.reset(token); });
    EXPECT_CONTAINS(message, "was created by a different ContextVar");
    EXPECT_CONTAINS(message, "gone");
    EXPECT_CONTAINS(message, "destroyed");
}

TEST_F(ErrorsTest, of_entering_twice_names_the_context) {
    cv::Context context;
    const std::string message =
        message_of<cv::RuntimeError>([&] { context.run([&] { context.run([] {}); }); });
    EXPECT_CONTAINS(message, "cannot enter context: " + identity(context));
    EXPECT_CONTAINS(message, "is already entered");
}

TEST_F(ErrorsTest, of_entering_twice_by_guard_is_the_same) {
    cv::Context context;
    const auto guard = context.enter();
    const std::string message = message_of<cv::RuntimeError>([&] { auto again = context.enter(); });
    EXPECT_CONTAINS(message, "cannot enter context: " + identity(context));
    EXPECT_CONTAINS(message, "is already entered");
}

TEST_F(ErrorsTest, of_entering_twice_tells_which_thread_entered_it) {
    cv::Context context;
    const auto guard = context.enter();
    const std::string here = message_of<cv::RuntimeError>([&] { context.run([] {}); });
    std::string there;
    std::thread([&] { there = message_of<cv::RuntimeError>([&] { context.run([] {}); }); }).join();
    EXPECT_CONTAINS(there, "cannot enter context: " + identity(context));
    EXPECT_CONTAINS(there, "is already entered");
    EXPECT_CONTAINS(here, "thread");
    EXPECT_CONTAINS(there, "thread");
    EXPECT_NE(here.substr(here.find("is already entered")),
              there.substr(there.find("is already entered")))
        << "it is told in what thread the context runs: this one, or another";
}

TEST_F(ErrorsTest, of_assigning_to_an_entered_context_names_it) {
    cv::Context context;
    const auto guard = context.enter();
    const std::string message = message_of<cv::RuntimeError>([&] { context = cv::Context(); });
    EXPECT_CONTAINS(message, identity(context));
    EXPECT_CONTAINS(message, "entered");
}

TEST_F(ErrorsTest, leave_everything_as_it_was) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto token = v.set(1);
    auto used = w.set(1);
    w.reset(used);
    cv::Context entered = cv::copy_context();
    const auto guard = entered.enter();
    v.set(2);
    const cv::Context before = cv::copy_context();
    EXPECT_THROW(v.reset(token), cv::ValueError);
    EXPECT_THROW(w.reset(token), cv::ValueError);
    EXPECT_THROW(w.reset(used), cv::RuntimeError);
    EXPECT_THROW(entered.run([] {}), cv::RuntimeError);
    EXPECT_THROW(entered = cv::Context(), cv::RuntimeError);
    EXPECT_THROW(w.get(), cv::LookupError);
    EXPECT_TRUE(cv::copy_context() == before);
    EXPECT_EQ(v.get(), 2);
}

TEST_F(ErrorsTest, can_be_carried_to_another_thread) {
    std::exception_ptr carried;
    std::thread([&] {
        cv::ContextVar<int> v{"short_lived"};
        try {
            v.get();
        } catch (...) {
            carried = std::current_exception();
        }
    }).join();
    EXPECT_CONTAINS(message_of<cv::LookupError>([&] { std::rethrow_exception(carried); }),
                    "short_lived");
}
