// expect: no matching
// expect: no known conversion
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <string>
#include <vector>

contextvars::ContextVar<std::string> v{"v"};

void f(const std::vector<int>& numbers) {
#ifdef MUST_COMPILE
    v.set(std::to_string(numbers.size()));
#else
    v.set(numbers);
#endif
}
