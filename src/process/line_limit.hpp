// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_LINE_LIMIT_HPP
#define CONTEXTVARS_SRC_PROCESS_LINE_LIMIT_HPP

#include <contextvars/config.hpp>

#include <cstdint>
#include <utility>

namespace contextvars::inline v0::detail {

/// For one kind of diagnostic: lets ten lines pass in a minute, and counts the others.
/// Threads: one at a time.
class line_limit {
public:
    static constexpr std::uint32_t most = 10;
    static constexpr std::int64_t seconds = 60;

    /// Returns: whether a line may be written `now`, in seconds of a clock that does not go back.
    bool passes(std::int64_t now) noexcept {
        if (written_ == 0 || now - began_ >= seconds) {
            began_ = now;
            written_ = 0;
        }
        if (written_ == most) {
            ++left_out_;
            return false;
        }
        ++written_;
        return true;
    }

    /// Returns: whether the next line within the minute would not pass.
    bool is_reached() const noexcept { return written_ == most; }

    /// Returns: how many lines did not pass since the last call.
    std::uint32_t take_left_out() noexcept { return std::exchange(left_out_, 0U); }

private:
    std::int64_t began_ = 0;
    std::uint32_t written_ = 0;
    std::uint32_t left_out_ = 0;
};

} // namespace contextvars::inline v0::detail

#endif
