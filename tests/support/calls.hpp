// SPDX-License-Identifier: MIT
//
// A value that calls back when it is constructed, copied, moved, destroyed, compared or printed.
#ifndef CONTEXTVARS_TESTS_SUPPORT_CALLS_HPP
#define CONTEXTVARS_TESTS_SUPPORT_CALLS_HPP

#include "support/isolated.hpp"

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <utility>

namespace contextvars_tests {

inline contextvars::ContextVar<int> counter{"counter", 0};

/// Calls `action` whenever it is copied, destroyed, compared or printed; a moved-from one is silent.
class Calls {
public:
    using action = std::function<void(const char* occasion)>;

    explicit Calls(action a) : action_(std::move(a)) { call("construct"); }
    Calls(const Calls& other) : action_(other.action_) { call("copy"); }
    Calls(Calls&& other) noexcept : action_(std::exchange(other.action_, nullptr)) { call("move"); }
    ~Calls() { call("destroy"); }

    friend bool operator==(const Calls& a, const Calls&) {
        a.call("compare");
        return true;
    }
    friend std::ostream& operator<<(std::ostream& out, const Calls& c) {
        c.call("print");
        return out << "calls";
    }

private:
    void call(const char* occasion) const {
        if (action_) {
            action_(occasion);
        }
    }
    action action_;
};

/// Everything that a callback may do; leaves `counter` one higher.
inline void do_everything() {
    const int before = counter.get();
    auto token = counter.set(before + 100);
    EXPECT_EQ(counter.get(), before + 100);
    counter.reset(token);
    EXPECT_EQ(counter.get(), before);
    const contextvars::Context copy = contextvars::copy_context();
    EXPECT_TRUE(copy == copy.copy());
    isolated([] {
        EXPECT_EQ(counter.get(), 0);
        counter.set(50);
    });
    {
        auto scope = counter.scoped(-1);
        EXPECT_EQ(contextvars::bind_context([] { return counter.get(); })(), -1);
    }
    contextvars::ContextVar<std::string> dynamic{"dynamic"};
    auto scope = dynamic.scoped("text");
    EXPECT_EQ(dynamic.get(), "text");
    counter.set(before + 1);
}

inline Calls::action on(const char* wanted, std::function<void()> f) {
    return [wanted, f = std::move(f)](const std::string& occasion) {
        if (occasion == wanted) {
            f();
        }
    };
}

} // namespace contextvars_tests

#endif
