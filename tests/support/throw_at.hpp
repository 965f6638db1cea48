// SPDX-License-Identifier: MIT
//
// A value whose n-th copy, move or construction throws.
#ifndef CONTEXTVARS_TESTS_SUPPORT_THROW_AT_HPP
#define CONTEXTVARS_TESTS_SUPPORT_THROW_AT_HPP

#include "support/counted.hpp"

#include <gtest/gtest.h>

namespace contextvars_tests {

/// Copies, moves and constructions count down together; the one that reaches zero throws.
class ThrowAt {
public:
    struct Error {};

    static inline thread_local long countdown = 0;
    static inline thread_local bool thrown = false;

    ThrowAt(int value = 0) : counted_(value) { step(); }
    ThrowAt(const ThrowAt& other) : counted_(other.counted_) { step(); }
    ThrowAt(ThrowAt&& other) noexcept(false) : counted_((step(), std::move(other.counted_))) {}
    ThrowAt& operator=(const ThrowAt&) = default;
    ThrowAt& operator=(ThrowAt&&) = default;
    ~ThrowAt() = default;

    int value() const { return counted_.value; }
    friend bool operator==(const ThrowAt& a, const ThrowAt& b) { return a.value() == b.value(); }

private:
    static void step() {
        if (countdown != 0 && --countdown == 0) {
            thrown = true;
            throw Error();
        }
    }

    Counted counted_;
};

/// Makes the n-th copy, move or construction of a ThrowAt on this thread throw while it lives.
class FailingCopy {
public:
    explicit FailingCopy(long n) {
        ThrowAt::thrown = false;
        ThrowAt::countdown = n;
    }
    ~FailingCopy() { ThrowAt::countdown = 0; }
    FailingCopy(const FailingCopy&) = delete;
    FailingCopy& operator=(const FailingCopy&) = delete;
};

/// Calls trial(n) for n = 1, 2, … until a trial copies fewer than n times.
/// Returns how many copies there were to fail.
template <class Trial>
long for_every_failing_copy(Trial&& trial) {
    for (long n = 1; n < 100000; ++n) {
        ThrowAt::thrown = false;
        trial(n);
        if (!ThrowAt::thrown) {
            return n - 1;
        }
        if (::testing::Test::HasFatalFailure()) {
            return n;
        }
    }
    ADD_FAILURE() << "the trial never stops copying";
    return -1;
}

} // namespace contextvars_tests

#endif
