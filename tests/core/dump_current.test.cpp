// SPDX-License-Identifier: MIT
#include <contextvars/diagnostics.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace cv = contextvars;

namespace {

cv::ContextVar<std::string> user{"user"};
cv::ContextVar<std::string> password{"password", cv::attributes{.secret = true}};

struct sets {
    friend std::ostream& operator<<(std::ostream& out, const sets&) {
        user.set("set by <<");
        return out << "sets";
    }
};
struct throws {
    friend std::ostream& operator<<(std::ostream&, const throws&) {
        throw std::runtime_error("no text");
    }
};
cv::ContextVar<sets> setting{"setting"};
cv::ContextVar<throws> throwing{"throwing"};

/// What is printed on a thread of its own in f, which calls dump_current by what it is given.
template <class F>
std::string dumped(const F& f) {
    std::string text;
    std::thread([&] {
        std::ostringstream out;
        f(out);
        text = out.str();
    }).join();
    return text;
}

std::string name_of(const cv::Context& context) {
    std::ostringstream out;
    out << "<Context at " << static_cast<const void*>(&context) << '>';
    return out.str();
}

TEST(DumpCurrent, shows_the_base_context_of_a_thread) {
    EXPECT_EQ(dumped(cv::dump_current), "this thread's base context\n");
    EXPECT_EQ(dumped([](std::ostream& out) {
                  const auto scope = user.scoped("ann");
                  cv::dump_current(out);
              }),
              "this thread's base context: user='ann'\n");
}

TEST(DumpCurrent, shows_the_contexts_that_are_entered_below) {
    cv::Context outer;
    EXPECT_EQ(dumped([&](std::ostream& out) {
                  const auto base = user.scoped("base");
                  outer.run([&] {
                      const auto in_outer = user.scoped("outer");
                      cv::bind_context([&] {
                          const auto in_copy = user.scoped("copy");
                          cv::ext::flow flow{cv::ext::snapshot()};
                          const cv::ext::flow_scope running(flow);
                          cv::dump_current(out);
                      })();
                  });
              }),
              "a copy that belongs to a coroutine or callback\n"
              "a copy that belongs to a coroutine or callback: user='copy'\n" +
                  name_of(outer) + ": user='outer'\nthis thread's base context: user='base'\n");
}

TEST(DumpCurrent, hides_secrets) {
    const auto text = dumped([](std::ostream& out) {
        const auto scope = password.scoped("1234");
        cv::dump_current(out);
    });
    EXPECT_EQ(text.find("1234"), std::string::npos) << text;
    EXPECT_CONTAINS(text, "password=<");
}

// What a capture would lack is current all the same.
TEST(DumpCurrent, shows_what_is_not_captured) {
    const cv::ContextVar<int> stays{"stays", cv::attributes{.captured = cv::capture_policy::never}};
    EXPECT_EQ(dumped([&](std::ostream& out) {
                  const auto scope = stays.scoped(1);
                  cv::dump_current(out);
                  EXPECT_EQ(stays.get(), 1);
              }),
              "this thread's base context: stays=1\n");
    EXPECT_EQ(dumped([](std::ostream& out) {
                  const auto scope = user.scoped("ann");
                  const auto suppressed = cv::suppress_flow();
                  cv::dump_current(out);
                  cv::Context().run([&] { cv::dump_current(out); });
              }).find("this thread's base context (captures are suppressed): user='ann'\n<Context"),
              0U);
}

TEST(DumpCurrent, says_that_a_variable_is_gone) {
    EXPECT_EQ(dumped([](std::ostream& out) {
                  {
                      const cv::ContextVar<int> local{"local"};
                      local.set(1);
                  }
                  cv::dump_current(out);
              }),
              "this thread's base context: local (destroyed)=1\n");
}

// A formatter that changes the context: the dump shows the bindings of before, the value stays set.
TEST(DumpCurrent, a_printing_operator_may_set_variables) {
    EXPECT_EQ(dumped([](std::ostream& out) {
                  setting.set(sets{});
                  cv::dump_current(out);
                  EXPECT_EQ(user.get(), "set by <<");
                  cv::Context().run([&] { cv::dump_current(out); });
              }).substr(0, 41),
              "this thread's base context: setting=sets\n");
}

TEST(DumpCurrent, a_printing_operator_may_throw) {
    dumped([](std::ostream& out) {
        throwing.set(throws{});
        EXPECT_THROW(cv::dump_current(out), std::runtime_error);
        EXPECT_EQ(cv::copy_context().size(), 1U);
    });
}

} // namespace
