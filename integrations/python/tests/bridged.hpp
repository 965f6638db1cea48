// SPDX-License-Identifier: MIT
#ifndef TESTS_PYTHON_BRIDGED_HPP
#define TESTS_PYTHON_BRIDGED_HPP

#include <atomic>

/// Counts its instances.
struct counted {
    explicit counted(int value) : value(value) { ++alive; }
    counted(const counted& other) : value(other.value) { ++alive; }
    ~counted() { --alive; }
    int value;
    static inline std::atomic<int> alive = 0;
};

#endif
