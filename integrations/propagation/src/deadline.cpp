// SPDX-License-Identifier: MIT
#include <contextvars/propagation/deadline.hpp>

#include "characters.hpp"

#include <cstdint>
#include <ostream>

namespace contextvars::inline v0::propagation {

namespace {

using std::chrono::nanoseconds;

struct unit {
    char letter;
    std::int64_t nanoseconds;
};
// The finest first: it is written as precisely as eight digits allow.
constexpr unit units[] = {{'n', 1},
                          {'u', 1'000},
                          {'m', 1'000'000},
                          {'S', 1'000'000'000},
                          {'M', 60'000'000'000},
                          {'H', 3'600'000'000'000}};
constexpr std::int64_t eight_digits = 100'000'000;

/// Returns: the number, or -1 if there are other characters than digits, none, or more than `most`.
std::int64_t number(std::string_view digits, std::size_t most) noexcept {
    if (digits.empty() || digits.size() > most)
        return -1;
    std::int64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

nanoseconds times(std::int64_t count, std::int64_t unit) noexcept {
    return count > nanoseconds::max().count() / unit ? nanoseconds::max()
                                                     : nanoseconds(count * unit);
}

} // namespace

std::ostream& operator<<(std::ostream& out, const deadline& d) {
    if (!d)
        return out << "none";
    return out << std::chrono::duration_cast<std::chrono::milliseconds>(d.left()).count() << " ms";
}

parsed<nanoseconds> parse_grpc_timeout(std::string_view text) noexcept {
    text = detail::without_white(text);
    if (text.empty())
        return fault::malformed;
    const std::int64_t count = number(text.substr(0, text.size() - 1), 8);
    for (const unit& u : units)
        if (u.letter == text.back() && count >= 0)
            return times(count, u.nanoseconds);
    return fault::malformed;
}

std::string to_grpc_timeout(nanoseconds left) {
    CONTEXTVARS_ASSERT(left.count() > 0);
    for (const unit& u : units)
        if (left.count() / u.nanoseconds < eight_digits)
            return std::to_string(left.count() / u.nanoseconds) + u.letter;
    return "99999999H"; // not reached: the longest duration has fewer hours
}

parsed<nanoseconds> parse_envoy_timeout(std::string_view text) noexcept {
    const std::int64_t count = number(detail::without_white(text), 15);
    if (count <= 0)
        return fault::malformed;
    return times(count, 1'000'000);
}

std::string to_envoy_timeout(nanoseconds left) {
    CONTEXTVARS_ASSERT(left.count() > 0);
    const std::int64_t milliseconds = left.count() / 1'000'000;
    return std::to_string(milliseconds == 0 ? 1 : milliseconds);
}

} // namespace contextvars::inline v0::propagation
