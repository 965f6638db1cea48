// SPDX-License-Identifier: MIT
//
// A value that counts how often it was copied and moved, and how many of it are alive.
#ifndef CONTEXTVARS_TESTS_SUPPORT_COUNTED_HPP
#define CONTEXTVARS_TESTS_SUPPORT_COUNTED_HPP

#include <gtest/gtest.h>

#include <atomic>
#include <utility>

namespace contextvars_tests {

class Counted {
public:
    static inline std::atomic<int> alive = 0;
    static inline std::atomic<int> made = 0; ///< by a constructor that is neither copy nor move
    static inline std::atomic<int> copies = 0;
    static inline std::atomic<int> moves = 0;

    /// Starts counting anew; what is alive stays counted.
    static void forget() { made = copies = moves = 0; }

    Counted(int number = 0) : value(number) {
        ++made;
        ++alive;
    }
    Counted(int first, int second) : Counted(first + second) {}
    Counted(const Counted& other) : value(other.value) {
        ++copies;
        ++alive;
    }
    Counted(Counted&& other) noexcept : value(std::exchange(other.value, -1)) {
        ++moves;
        ++alive;
    }
    Counted& operator=(const Counted&) = default;
    Counted& operator=(Counted&& other) noexcept {
        value = std::exchange(other.value, -1);
        return *this;
    }
    ~Counted() { --alive; }

    friend bool operator==(const Counted& a, const Counted& b) { return a.value == b.value; }

    int value;
};

/// Fails the test if there are more, or fewer, Counted at its end than at its beginning.
class NothingLeaks {
public:
    NothingLeaks() = default;
    NothingLeaks(const NothingLeaks&) = delete;
    NothingLeaks& operator=(const NothingLeaks&) = delete;
    ~NothingLeaks() { EXPECT_EQ(Counted::alive.load(), before_); }

    /// Whether there are as many now, before its end.
    bool holds() const { return Counted::alive == before_; }

private:
    int before_ = Counted::alive;
};

} // namespace contextvars_tests

#endif
